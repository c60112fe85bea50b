// The message log: samples of what comes, newest on top. Bounded, so that a flood costs no more than a stream.

import { byId, element, prependRows, setText } from "./dom.js";
import { bytes, count, hex, plural, time } from "./format.js";

const limit = 300, foldedLength = 160;

export class MessageLog {
  #list = byId("messages");
  #last = 0;     // the number of the latest message here
  #held = [];    // what came while paused
  #paused = false;

  constructor() {
    byId("filter").oninput = byId("filter-type").onchange = () => this.#filter([...this.#list.children]);
    byId("pause").onclick = () => this.#pause(!this.#paused);
    byId("clear").onclick = () => {
      this.#held = [];
      this.#list.replaceChildren();
      this.#tell();
    };
  }

  show({ type, messages, totals }) {
    if (type === "whole") { // perhaps of a program that was started anew
      this.#last = 0;
      this.#held = [];
      this.#list.replaceChildren();
    }
    setText(byId("message-count"), count(totals.messagesIn));
    const fresh = messages.filter(message => message.number > this.#last);
    const entries = [];
    for (const message of fresh) {
      const missing = message.number - this.#last - 1;
      if (missing > 0) entries.push({ missing });
      entries.push({ message });
      this.#last = message.number;
    }
    if (this.#paused) this.#held = this.#held.concat(entries).slice(-limit);
    else this.#append(entries);
    this.#tell();
  }

  #pause(paused) {
    this.#paused = paused;
    byId("pause").setAttribute("aria-pressed", paused);
    if (!paused) {
      this.#append(this.#held);
      this.#held = [];
    }
    this.#tell();
  }

  #append(entries) {
    const rows = entries.map(entry => entry.message ? messageRow(entry.message) : gapRow(entry.missing));
    this.#filter(rows);
    prependRows(this.#list, rows, limit);
  }

  #filter(rows) {
    const words = byId("filter").value.toLowerCase(), type = byId("filter-type").value;
    for (const row of rows)
      row.hidden = row.isWanted ? !row.isWanted(words, type) : words !== "" || type !== "";
  }

  #tell() {
    const held = this.#held.filter(entry => entry.message).length;
    setText(byId("pause"), !this.#paused ? "Pause" : held === 0 ? "Resume" : `Resume (${held})`);
    byId("no-messages").hidden = this.#list.children.length > 0;
    this.#list.parentElement.hidden = this.#list.children.length === 0;
  }
}

function messageRow({ time: when, client, path, binary, size, data, isCut, receivers }) {
  const sender = client === null ? "dashboard" : `#${client} ${path}`;
  const shown = (binary ? hex(data) : data) + (isCut ? " …" : "");
  const row = element("li", { className: client === null ? "own" : "" },
    element("time", {}, time(when)),
    element("span", { className: "sender" }, sender),
    element("span", { className: `type ${binary ? "binary" : "text"}` }, binary ? "bin" : "text"),
    element("span", { className: "size" }, bytes(size)),
    element("span", { className: receivers === 0 ? "receivers none" : "receivers", title: receivers === null ? "" : `Sent to ${plural(receivers, "client", "clients")}` }, receivers === null ? "" : `→ ${count(receivers)}`),
    body(shown, binary));
  const searched = `${sender} ${shown}`.toLowerCase();
  row.isWanted = (words, type) => searched.includes(words) && (type === "" || type === (binary ? "binary" : "text"));
  return row;
}

const gapRow = missing => element("li", { className: "gap" }, `${plural(missing, "message", "messages")} not shown`);

// A long message is folded to its beginning.
function body(text, binary) {
  const className = binary ? "data hex" : "data";
  const line = text.search(/[\r\n]/);
  const fold = Math.min(line < 0 ? Infinity : line, foldedLength);
  if (text.length <= fold) return element("span", { className }, text);
  return element("details", { className }, element("summary", {}, `${text.slice(0, fold)} …`), element("pre", {}, text));
}
