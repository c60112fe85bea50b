// Sends to all clients, or to one.

import { byId, element, setText } from "./dom.js";

export class SendForm {
  #to = byId("send-to");

  constructor(control) {
    const form = byId("send-form"), data = byId("send-data"), result = byId("send-result");
    form.onsubmit = async event => {
      event.preventDefault();
      const reply = await control.ask("send", { client: this.#to.value === "" ? null : Number(this.#to.value), binary: byId("send-type").value === "hex", data: data.value });
      setText(result, reply.text);
      result.classList.toggle("error", !reply.ok);
    };
    data.onkeydown = event => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    };
    byId("send-type").onchange = event => data.placeholder = event.target.value === "hex" ? "48 65 6c 6c 6f" : "Message";
  }

  aim(id) {
    this.#to.value = String(id);
    byId("send-data").focus();
  }

  show({ clients }) {
    const known = new Map([...this.#to.options].slice(1).map(option => [option.value, option]));
    for (const { id, path } of clients) {
      if (!known.delete(String(id))) this.#to.append(element("option", { value: String(id) }, `#${id} ${path}`));
    }
    // One that was chosen stays, so that nothing meant for it goes to all.
    for (const [id, option] of known) {
      if (id === this.#to.value) setText(option, `#${id} (left)`);
      else option.remove();
    }
  }
}
