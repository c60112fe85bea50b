// The message log: samples of what comes, newest on top. Bounded, so that a flood costs no more than a stream.

import { byId, element, prependRows, setText } from "./dom.js";
import { bytes, count, hex, plural, time } from "./format.js";

const limit = 300, foldedLength = 160;

export class MessageLog {
  #list = byId("messages");
  #control;
  #forward;
  #last = 0;      // the number of the latest message here
  #held = [];     // what came while paused
  #paused = false;
  #isOpen = false;
  #firstKept = 1; // older ones cannot be forwarded any more
  #stop = null;   // the row whose button the Tab key reaches; arrows lead to the others

  constructor(control, forward) {
    this.#control = control;
    this.#forward = forward;
    byId("filter").oninput = byId("filter-type").onchange = () => {
      this.#filter([...this.#list.children]);
      this.#findStop();
    };
    byId("pause").onclick = () => this.#pause(!this.#paused);
    byId("clear").onclick = () => {
      this.#held = [];
      this.#list.replaceChildren();
      this.#tell();
    };
    this.#list.onkeydown = event => this.#walk(event);
    this.#list.addEventListener("focusin", event => {
      if (event.target.matches(".forward")) this.#setStop(event.target.closest("li"));
    });
  }

  show({ type, endpoint, firstKept, messages, totals }) {
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
    const isOpen = endpoint.status === "open";
    if (isOpen !== this.#isOpen || firstKept !== this.#firstKept) {
      this.#isOpen = isOpen;
      this.#firstKept = firstKept;
      this.#enable([...this.#list.children]);
    }
    if (this.#paused) this.#held = this.#held.concat(entries).slice(-limit);
    else this.#append(entries);
    this.#tell();
    this.#findStop();
  }

  #pause(paused) {
    this.#paused = paused;
    byId("pause").setAttribute("aria-pressed", paused);
    if (!paused) {
      this.#append(this.#held);
      this.#held = [];
    }
    this.#tell();
    this.#findStop();
  }

  #append(entries) {
    const rows = entries.map(entry => entry.message ? messageRow(entry.message, this.#control, this.#forward) : gapRow(entry.missing));
    this.#filter(rows);
    this.#enable(rows);
    prependRows(this.#list, rows, limit);
  }

  #filter(rows) {
    const words = byId("filter").value.toLowerCase(), type = byId("filter-type").value;
    for (const row of rows)
      row.hidden = row.isWanted ? !row.isWanted(words, type) : words !== "" || type !== "";
  }

  #enable(rows) {
    for (const row of rows) {
      if (!row.forward) continue;
      const isKept = row.number >= this.#firstKept;
      row.forward.disabled = !this.#isOpen || !isKept;
      row.forward.title = isKept ? "Forward" : "Not kept any more, so it cannot be forwarded";
    }
  }

  #tell() {
    const held = this.#held.filter(entry => entry.message).length;
    setText(byId("pause"), !this.#paused ? "Pause" : held === 0 ? "Resume" : `Resume (${held})`);
    byId("no-messages").hidden = this.#list.children.length > 0;
    this.#list.parentElement.hidden = this.#list.children.length === 0;
  }

  #walk(event) {
    if (!event.target.matches(".forward")) return;
    const rows = [...this.#list.children].filter(canForward), at = rows.indexOf(event.target.closest("li"));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault(); // it would scroll
    rows[to]?.forward.focus();
  }

  // The newest row, unless somebody is at another one.
  #findStop() {
    if (this.#stop?.contains(document.activeElement) && canForward(this.#stop)) return;
    const first = [...this.#list.children].find(canForward);
    if (first) this.#setStop(first);
  }

  #setStop(row) {
    if (this.#stop) this.#stop.forward.tabIndex = -1;
    this.#stop = row;
    row.forward.tabIndex = 0;
  }
}

const canForward = row => row.forward && !row.hidden && !row.forward.disabled;

function messageRow(message, control, forward) {
  const { number, time: when, client, path, origin, binary, size, data, isCut, receivers } = message;
  const sender = client === null ? "dashboard" : `#${client} ${path}`;
  const text = binary ? hex(data) : data, shown = isCut ? `${text} …` : text;
  const button = element("button", {
    type: "button", className: "quiet forward", tabIndex: -1, "aria-label": `Forward message ${number} from ${sender}`, onclick: () => forward({ number, client, sender, binary, size, shown }),
  }, byId("forward-icon").content.firstElementChild.cloneNode(true));
  const row = element("li", { className: client === null ? "own" : "" },
    element("time", {}, time(when)),
    element("span", { className: "sender", title: sender }, sender),
    element("span", { className: `type ${binary ? "binary" : "text"}` }, binary ? "bin" : "text"),
    element("span", { className: "size" }, bytes(size)),
    element("span", { className: receivers === 0 ? "receivers none" : "receivers", title: receivers === null ? "" : `Sent to ${plural(receivers, "client", "clients")}` }, receivers === null ? "" : `→ ${count(receivers)}`),
    button,
    ...(origin === null ? [] : [element("span", { className: "origin" }, `forwarded from ${origin}`)]),
    body(message, text, () => control.ask("read", { message: number })));
  row.number = number;
  row.forward = button;
  const searched = `${sender} ${origin ?? ""} ${shown}`.toLowerCase();
  row.isWanted = (words, type) => searched.includes(words) && (type === "" || type === (binary ? "binary" : "text"));
  return row;
}

const gapRow = missing => element("li", { className: "gap" }, `${plural(missing, "message", "messages")} not shown`);

// A long message is folded to its beginning. What the report did not bring of it is asked for when somebody unfolds it.
function body({ binary, size, isCut }, text, read) {
  const className = binary ? "data hex" : "data";
  const line = text.search(/[\r\n]/);
  const fold = Math.min(line < 0 ? Infinity : line, binary ? foldedLength - foldedLength % 3 - 1 : foldedLength); // between two bytes
  if (text.length <= fold && !isCut) return element("span", { className }, text);

  const whole = element("pre", {}, isCut ? `${text} …` : text);
  const details = element("details", { className }, element("summary", {}, `${text.slice(0, fold)} …`), whole);
  if (isCut) {
    details.ontoggle = async () => {
      if (!details.open) return;
      const reply = await read();
      if (!reply.ok) {
        setText(whole, `${text} …\n\n${reply.text}`);
        return;
      }
      details.ontoggle = null;
      const length = binary ? reply.text.length / 2 : new TextEncoder().encode(reply.text).length;
      setText(whole, (binary ? hex(reply.text) : reply.text) + (length < size ? " …" : ""));
    };
  }
  return details;
}
