// Chooses one client, or all. The clients of the shown sheet are offered; any other one is chosen by its number.

import { element, setText } from "./dom.js";

const nobody = "nobody", byNumber = "number";

export class ClientPicker {
  #select;
  #number;
  #view;
  #changed;
  #all = element("option", { value: "" });
  #nobody = element("option", { value: nobody, disabled: true, hidden: true }, "choose a client");
  #other = element("option", { value: byNumber }, "another, by its number …");

  // changed is called when somebody chooses, and with a text when the chosen client has left.
  constructor(select, number, view, all, changed) {
    this.#select = select;
    this.#number = number;
    this.#view = view;
    this.#changed = changed;
    select.append(this.#all, this.#nobody, this.#other);
    setText(this.#all, all);
    select.onchange = () => {
      this.#settle();
      if (select.value === byNumber) number.focus();
      changed();
    };
    number.oninput = () => changed();
    this.#settle();
  }

  // The number of the client, null for all of them, undefined while there is none.
  get client() {
    const value = this.#select.value;
    if (value === "") return null;
    const digits = value === byNumber ? this.#number.value.trim().replace(/^#/, "") : value;
    return /^\d{1,15}$/.test(digits) ? Number(digits) : undefined;
  }

  choose(client) {
    this.#select.value = client === null ? "" : String(client);
    this.#settle();
    this.#changed();
  }

  // What stands for all.
  name(all) {
    setText(this.#all, all);
  }

  show({ type, clientCount }) {
    const chosen = this.#select.selectedOptions[0];
    const offered = new Map([...this.#select.options].filter(option => /^\d/.test(option.value)).map(option => [option.value, option]));
    for (const { id, path } of this.#view.listed) {
      const name = `#${id} ${path}`, option = offered.get(String(id));
      if (!offered.delete(String(id))) this.#other.before(element("option", { value: String(id) }, name));
      else setText(option, name);
    }
    // After a whole report the number may be that of another client: the program may have been started anew.
    if (/^\d/.test(chosen.value) && (type === "whole" || this.#view.hasLeft(Number(chosen.value)))) {
      const left = type === "whole" ? "Choose a client again." : `${chosen.textContent} has left.`;
      this.#select.value = nobody; // not all: what was meant for one goes to nobody else
      this.#settle();
      this.#changed(left);
    }
    for (const option of offered.values())
      if (option.value !== this.#select.value) option.remove();
    this.#other.hidden = this.#view.listed.length === clientCount && this.#select.value !== byNumber;
  }

  #settle() {
    const value = this.#select.value;
    this.#number.hidden = value !== byNumber;
    this.#view.watch(this, /^\d/.test(value) ? Number(value) : null);
  }
}
