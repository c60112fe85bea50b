// Who came and who left, with code and reason.

import { byId, element, prependRows } from "./dom.js";
import { plural, time } from "./format.js";

const limit = 200;

const causes = {
  Closed: "closed", ConnectionLost: "connection lost", ProtocolViolation: "broke the protocol", PingTimeout: "did not answer pings",
  SendTimeout: "took nothing any more", HandlerFailed: "the handler failed", ServerStopping: "server closed", Aborted: "cut", MessageUnfinished: "a message failed",
};

export class PassageLog {
  #list = byId("passages");
  #last = 0;

  show({ type, passages }) {
    if (type === "whole") {
      this.#last = 0;
      this.#list.replaceChildren();
    }
    const rows = [];
    for (const passage of passages.filter(passage => passage.number > this.#last)) {
      const missing = passage.number - this.#last - 1;
      if (missing > 0) rows.push(element("li", { className: "gap" }, `${plural(missing, "entry", "entries")} not shown`));
      rows.push(passageRow(passage));
      this.#last = passage.number;
    }
    prependRows(this.#list, rows, limit);
    byId("no-passages").hidden = this.#list.children.length > 0;
    this.#list.parentElement.hidden = this.#list.children.length === 0;
  }
}

function passageRow({ time: when, client, path, address, end }) {
  const row = element("li", {},
    element("time", {}, time(when).slice(0, 8)),
    element("span", { className: end ? "sign left" : "sign came", title: end ? "left" : "came", role: "img", "aria-label": end ? "left" : "came" }, end ? "−" : "+"),
    element("span", { className: "sender" }, `#${client} ${path}`));
  if (!end) {
    row.append(element("span", { className: "muted" }, address));
    return row;
  }
  const cause = end.cause === "Closed" ? `closed by the ${end.byServer ? "server" : "client"}` : causes[end.cause] ?? end.cause;
  row.append(
    element("span", { className: end.code === 1000 || end.code === 1001 ? "code" : "code bad" }, String(end.code)),
    element("span", { className: "muted" }, end.reason ? `${cause}: “${end.reason}”` : cause));
  return row;
}
