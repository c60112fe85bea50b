// Where the messages of clients go.

import { byId, setText, showError } from "./dom.js";
import { plural } from "./format.js";

export class RelaySwitch {
  #radios = [...byId("relay").querySelectorAll("input[type=radio]")];
  #path = byId("relay-path");
  #asking = 0;
  #edited = false;

  constructor(control) {
    const tell = async () => {
      const mode = this.#radios.find(radio => radio.checked).value;
      this.#asking++;
      const reply = await control.ask("relay", { relay: { mode, path: this.#path.value } });
      this.#asking--;
      showError(byId("relay-error"), reply.ok ? null : reply.text);
    };
    for (const radio of this.#radios) radio.onchange = tell;
    this.#path.oninput = () => this.#edited = true;
    this.#path.onchange = () => {
      this.#radios.find(radio => radio.value === "path").checked = true;
      tell();
    };
  }

  show({ endpoint, relay, totals }) {
    byId("relay").disabled = endpoint.status !== "open";
    byId("relay-closed").hidden = endpoint.status === "open";
    const dropped = totals.relayDropped ? ` ${plural(totals.relayDropped, "copy", "copies")} dropped: their receivers read too slowly.` : "";
    setText(byId("relayed"), totals.relayed === 0 ? `Nothing relayed so far.${dropped}`
      : `${plural(totals.relayed, "message", "messages")} relayed so far, in ${plural(totals.relayCopies, "copy", "copies")}.${dropped}`);
    // Another page may have switched; what is being changed here is left alone.
    if (this.#asking > 0 || document.activeElement === this.#path || !byId("relay-error").hidden) return;
    this.#radios.find(radio => radio.value === relay.mode).checked = true;
    if (relay.path && !this.#edited) this.#path.value = relay.path;
  }
}
