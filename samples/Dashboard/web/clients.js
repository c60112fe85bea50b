// The clients that are online. A row is made once; then only what changes is written.

import { byId, element, setText, showError } from "./dom.js";
import { bytes, count, duration, milliseconds } from "./format.js";

const columns = ["Client", "Address", "User agent", "Online", "Latency", "In", "Out", "Waiting"];

export class ClientTable {
  #rows = new Map();
  #body = byId("clients").tBodies[0];
  #control;
  #aim;

  constructor(control, aim) {
    this.#control = control;
    this.#aim = aim;
  }

  show({ endpoint, now, clientCount, clients }) {
    setText(byId("client-count"), count(clientCount));
    const gone = new Set(this.#rows.keys());
    for (const client of clients) {
      gone.delete(client.id);
      let row = this.#rows.get(client.id);
      if (!row) {
        row = this.#makeRow(client);
        this.#rows.set(client.id, row);
        this.#body.append(row.node);
      }
      row.update(client, now);
    }
    for (const id of gone) {
      this.#rows.get(id).node.remove();
      this.#rows.delete(id);
    }

    byId("clients-scroll").hidden = clients.length === 0;
    byId("no-clients").hidden = clients.length > 0;
    setText(byId("no-clients"), endpoint.status === "open"
      ? `Nobody yet. Connect a WebSocket client to ws://${endpoint.address}, or use the Client tab.`
      : "The server is closed.");
    byId("more-clients").hidden = clientCount <= clients.length;
    setText(byId("more-clients"), `The first ${count(clients.length)} of ${count(clientCount)} are listed.`);
  }

  #makeRow({ id, path, address, agent }) {
    const cells = columns.map((name, index) => element("td", { role: "cell", className: index < 3 ? "" : "number", "data-label": name }));
    const [who, from, software, online, latency, received, sent, waiting] = cells;
    who.append(element("span", { className: "id" }, `#${id}`), " ", element("strong", {}, path));
    from.textContent = address;
    software.append(element("span", { className: "clip", title: agent }, agent || "–"));
    const counters = [received, sent].map(cell => {
      const messages = element("span"), size = element("span", { className: "muted" });
      cell.append(element("span", {}, messages, " ", size));
      return { messages, size };
    });
    const actions = element("td", { role: "cell", className: "actions" },
      element("button", { type: "button", className: "quiet", onclick: () => this.#aim(id), "aria-label": `Message to client ${id}` }, "Message"),
      element("button", { type: "button", className: "quiet danger", onclick: () => this.#disconnect(id), "aria-label": `Disconnect client ${id}` }, "Disconnect"));
    return {
      node: element("tr", { role: "row", "data-client": id }, ...cells, actions),
      update(client, now) {
        setText(online, duration(now - client.since));
        setText(latency, milliseconds(client.latency));
        setText(counters[0].messages, count(client.messagesIn));
        setText(counters[0].size, bytes(client.bytesIn));
        setText(counters[1].messages, count(client.messagesOut));
        setText(counters[1].size, bytes(client.bytesOut));
        setText(waiting, client.waiting === 0 ? "–" : bytes(client.waiting));
      },
    };
  }

  async #disconnect(id) {
    const reply = await this.#control.ask("disconnect", { client: id });
    showError(byId("clients-error"), reply.ok ? null : reply.text);
  }
}
