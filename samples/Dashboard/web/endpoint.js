// Opens and closes the server, and shows where it listens.

import { byId, setText, showError } from "./dom.js";
import { duration } from "./format.js";

const names = { closed: "Closed", open: "Open", closing: "Closing …" };

export class Endpoint {
  #asking = false;
  #status = "unknown"; // until the first report

  constructor(control) {
    byId("open-form").onsubmit = event => {
      event.preventDefault();
      if (this.#status === "closed")
        this.#ask(control, "open", { address: byId("address").value, port: byId("port").value, anyOrigin: byId("any-origin").checked, tls: this.#tls() });
    };
    byId("tls").onchange = () => this.#enable();
    byId("close").onclick = () => this.#ask(control, "close");
  }

  show({ endpoint, now }) {
    this.#status = endpoint.status;
    byId("state").dataset.state = endpoint.status;
    setText(byId("state"), names[endpoint.status]);
    setText(byId("url"), endpoint.address && `${endpoint.scheme}://${endpoint.address}`);
    setText(byId("uptime"), endpoint.since ? `for ${duration(now - endpoint.since)}` : "");
    this.#enable();
  }

  // How the server is to speak TLS; null for not at all.
  #tls() {
    const { checked } = byId("tls");
    return checked
      ? { certificate: byId("certificate").value, key: byId("key").value, password: byId("password").value, asksClients: byId("ask-certificate").checked }
      : null;
  }

  async #ask(control, command, fields) {
    this.#asking = true;
    this.#enable();
    showError(byId("endpoint-error"), null);
    const reply = await control.ask(command, fields);
    this.#asking = false;
    this.#enable();
    if (!reply.ok) showError(byId("endpoint-error"), reply.text);
  }

  #enable() {
    const closed = this.#status === "closed";
    for (const id of ["address", "port", "any-origin", "tls", "certificate", "key", "password", "ask-certificate"]) byId(id).disabled = !closed;
    byId("tls-fields").hidden = !byId("tls").checked || !closed;
    byId("open").disabled = this.#asking || !closed;
    byId("close").disabled = this.#asking || this.#status !== "open";
  }
}
