// Which clients this page shows. Asks the server for them, and puts together what reports tell of them bit by bit.

export class ClientView {
  listed = [];  // the clients on the sheet, in their order
  matching = 0; // how many the list has, on all sheets
  sheet = 0;
  filter = "";
  #control;
  #number = 0;  // of the view that was asked for last
  #told = 0;    // of the view that the latest report shows
  #known = new Map();
  #online = new Set();
  #watched = new Map(); // whoever watches → client

  constructor(control) {
    this.#control = control;
  }

  // Takes a report in; the views are shown it afterwards.
  take({ type, clients }) {
    if (type === "whole") this.#known.clear();
    const rows = new Map(clients.rows.map(row => [row.id, row]));
    const counters = new Map(clients.counters.map(counters => [counters.id, counters]));
    this.listed = clients.ids.map(id => ({ ...this.#known.get(id), ...rows.get(id), ...counters.get(id) }));
    this.#known = new Map(this.listed.map(client => [client.id, client]));
    this.matching = clients.matching;
    this.#online = new Set(clients.online);
    this.#told = clients.view;
    if (this.#told === this.#number) this.sheet = clients.sheet;
  }

  turnTo(sheet) {
    this.sheet = sheet;
    this.ask();
  }

  find(filter) {
    this.filter = filter;
    this.turnTo(0);
  }

  // Wants to know of one client, listed or not, whether it is online.
  watch(watcher, client) {
    if ((this.#watched.get(watcher) ?? null) === client) return;
    this.#watched.set(watcher, client);
    this.ask();
  }

  // A report that was made before the view was asked for does not tell.
  hasLeft(client) {
    return this.#told === this.#number && !this.#known.has(client) && !this.#online.has(client);
  }

  // Also after each connection: the server knows the view of a connection alone.
  ask() {
    const watched = [...this.#watched.values()].filter(client => client !== null);
    this.#control.ask("view", { view: { number: ++this.#number, sheet: this.sheet, filter: this.filter, watched } });
  }
}
