// Forwards a message of the log, whole and as it was received, to a client or to all others.

import { byId, setText, showError } from "./dom.js";
import { bytes } from "./format.js";
import { ClientPicker } from "./picker.js";

export class ForwardDialog {
  #dialog = byId("forward");
  #button = byId("forward-form").querySelector("button.primary");
  #error = byId("forward-error");
  #picker;
  #message = null;
  #isOpen = false;
  #asking = false;

  constructor(control, view) {
    this.#picker = new ClientPicker(byId("forward-to"), byId("forward-number"), view, "all others", told => {
      showError(this.#error, told);
      this.#enable();
    });
    byId("forward-cancel").onclick = () => this.#dialog.close();
    this.#dialog.onclose = () => {
      this.#picker.choose(null);
      // Its button may have left the log meanwhile.
      if (document.activeElement === document.body) byId("messages").parentElement.focus();
    };
    byId("forward-form").onsubmit = async event => {
      event.preventDefault();
      if (this.#button.disabled) return;
      const message = this.#message;
      this.#asking = true;
      this.#enable();
      const reply = await control.ask("forward", { message: message.number, client: this.#picker.client });
      this.#asking = false;
      this.#enable();
      if (this.#message !== message) return;
      showError(this.#error, reply.ok ? null : reply.text);
      if (!reply.ok) return;
      this.#dialog.close();
      setText(byId("forward-result"), reply.text);
    };
  }

  open(message) {
    this.#message = message;
    setText(byId("forward-result"), "");
    setText(byId("forward-what"), `${message.binary ? "Binary" : "Text"} of ${bytes(message.size)} from ${message.sender}, sent as it was received:`);
    setText(byId("forward-data"), message.shown);
    byId("forward-data").classList.toggle("hex", message.binary);
    this.#picker.name(message.client === null ? "all clients" : `all but ${message.sender}`);
    this.#picker.choose(null);
    showError(this.#error, null);
    this.#dialog.showModal();
  }

  show(report) {
    this.#isOpen = report.endpoint.status === "open";
    // After a whole report the number may be that of another message: the program may have been started anew.
    if (report.type === "whole") this.#dialog.close();
    this.#picker.show(report);
    byId("forward-closed").hidden = this.#isOpen;
    this.#enable();
  }

  #enable() {
    this.#button.disabled = !this.#isOpen || this.#asking || this.#picker?.client === undefined;
  }
}
