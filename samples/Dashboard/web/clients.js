// The clients that are online, a sheet of them at a time. A row is made once; then only what changes is written.

import { byId, element, setText, showError } from "./dom.js";
import { bytes, count, duration, milliseconds } from "./format.js";

const columns = ["Client", "Address", "User agent", "Online", "Latency", "In", "Out", "Waiting"], sheetSize = 50;

export class ClientTable {
  #rows = new Map();
  #body = byId("clients").tBodies[0];
  #control;
  #view;
  #aim;

  constructor(control, view, aim) {
    this.#control = control;
    this.#view = view;
    this.#aim = aim;
    byId("client-filter").oninput = event => view.find(event.target.value.trim());
    byId("previous-clients").onclick = () => view.turnTo(view.sheet - 1);
    byId("next-clients").onclick = () => view.turnTo(view.sheet + 1);
  }

  show({ type, endpoint, now, clientCount }) {
    const { listed, matching, sheet, filter } = this.#view;
    setText(byId("client-count"), count(clientCount));
    if (type === "whole") this.#remove(this.#rows.keys()); // perhaps of a program that was started anew
    const gone = new Set(this.#rows.keys());
    for (const { id } of listed) gone.delete(id);
    this.#remove(gone);
    listed.forEach((client, index) => {
      let row = this.#rows.get(client.id);
      if (!row) {
        row = this.#makeRow(client);
        this.#rows.set(client.id, row);
      }
      if (this.#body.children[index] !== row.node) this.#body.insertBefore(row.node, this.#body.children[index] ?? null);
      row.update(client, now);
    });

    byId("client-filter").hidden = clientCount === 0 && filter === "";
    byId("clients-scroll").hidden = listed.length === 0;
    byId("no-clients").hidden = listed.length > 0;
    setText(byId("no-clients"), clientCount > 0
      ? "No client has that in its number, path, address or user agent."
      : endpoint.status === "open"
        ? `Nobody yet. Connect a WebSocket client to ${endpoint.scheme}://${endpoint.address}, or use the Client tab.`
        : "The server is closed.");

    const first = sheet * sheetSize;
    byId("client-sheets").hidden = matching <= sheetSize;
    setText(byId("client-range"), `${count(first + 1)} to ${count(first + listed.length)} of ${count(matching)}`);
    byId("previous-clients").disabled = sheet === 0;
    byId("next-clients").disabled = first + sheetSize >= matching;
  }

  #remove(ids) {
    for (const id of [...ids]) {
      this.#rows.get(id).node.remove();
      this.#rows.delete(id);
    }
  }

  #makeRow({ id, path, address, agent, tls }) {
    const cells = columns.map((name, index) => element("td", { role: "cell", className: index < 3 ? "" : "number", "data-label": name }));
    const [who, from, software, online, latency, received, sent, waiting] = cells;
    who.append(element("span", { className: "clip", title: path }, element("span", { className: "id" }, `#${id}`), " ", element("strong", {}, path)));
    from.append(element("span", { className: "clip", title: address }, address));
    if (tls) from.append(element("span", { className: "clip muted small tls", title: tls }, tls));
    software.append(element("span", { className: "clip agent", title: agent }, agent || "–"));
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
