// Sends to all clients, or to one.

import { byId, setText } from "./dom.js";
import { ClientPicker } from "./picker.js";

export class SendForm {
  #picker;
  #button = byId("send-form").querySelector("button");
  #result = byId("send-result");
  #isOpen = false;
  #sending = 0;

  constructor(control, view) {
    const form = byId("send-form"), data = byId("send-data"), type = byId("send-type");
    // What was told of the last message is not said of the next one.
    const changed = (told = "") => {
      this.#sending++;
      this.#tell(this.#isOpen ? told : ""); // when the server closes, all leave
      this.#enable();
    };
    this.#picker = new ClientPicker(byId("send-to"), byId("send-number"), view, "all clients", changed);
    data.oninput = () => changed();
    type.onchange = () => {
      data.placeholder = type.value === "hex" ? "48 65 6c 6c 6f" : "Message";
      changed();
    };
    data.onkeydown = event => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    };
    form.onsubmit = async event => {
      event.preventDefault();
      if (this.#button.disabled) return;
      const sending = ++this.#sending;
      const reply = await control.ask("send", { client: this.#picker.client, binary: type.value === "hex", data: data.value });
      if (sending === this.#sending) this.#tell(reply.text, !reply.ok);
    };
  }

  aim(client) {
    this.#picker.choose(client);
    byId("send-data").focus();
  }

  show(report) {
    const isOpen = report.endpoint.status === "open";
    this.#picker.show(report);
    if (isOpen !== this.#isOpen) {
      this.#isOpen = isOpen;
      this.#tell("");
    }
    byId("send-closed").hidden = isOpen;
    this.#enable();
  }

  #tell(text, isError = false) {
    setText(this.#result, text);
    this.#result.classList.toggle("error", isError);
  }

  #enable() {
    byId("send-to").disabled = byId("send-number").disabled = byId("send-type").disabled = !this.#isOpen;
    this.#button.disabled = !this.#isOpen || this.#picker?.client === undefined;
  }
}
