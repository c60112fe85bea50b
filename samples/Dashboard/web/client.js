// The second tab: clients that run in the page itself.

import { byId, element, prependRows, setText, showError } from "./dom.js";
import { bytes, count, hex, time } from "./format.js";

const names = ["alice", "bob", "carol", "dave", "erin", "frank"], limit = 200;

export class ClientCards {
  #address = "ws://127.0.0.1:8080";
  #cards = new Set();
  #made = 0;

  constructor() {
    byId("add-client").onclick = () => this.#add().focus();
    this.#add(); // two, so that they can talk
    this.#add();
  }

  show({ endpoint }) {
    const address = `${endpoint.scheme}://${endpoint.address}`;
    if (!endpoint.address || address === this.#address) return;
    this.#address = address;
    for (const card of this.#cards) card.suggest(this.#address);
  }

  #add() {
    const name = names[this.#made % names.length], number = ++this.#made;
    const card = new ClientCard(number, name, () => this.#cards.delete(card));
    card.suggest(this.#address);
    this.#cards.add(card);
    byId("client-cards").append(card.node);
    return card;
  }
}

class ClientCard {
  node = byId("client-template").content.firstElementChild.cloneNode(true);
  #name;
  #socket = null;
  #edited = false;
  #pending = []; // log entries for the next frame
  #totals = { messagesIn: 0, bytesIn: 0, messagesOut: 0, bytesOut: 0 };
  #url = this.#find(".url");
  #data = this.#find(".data");
  #type = this.#find(".kind");
  #pill = this.#find(".pill");
  #error = this.#find(".error");
  #connectButton = this.#find(".connect button");
  #sendButton = this.#find(".send button");
  #log = this.#find(".log");

  constructor(number, name, removed) {
    this.#name = name;
    this.#find("h2").textContent = `Client ${number}`;
    this.#log.parentElement.setAttribute("aria-label", `What client ${number} sent and received`);
    this.#find(".remove").setAttribute("aria-label", `Remove client ${number}`);
    this.#url.oninput = () => this.#edited = true;
    this.#find(".connect").onsubmit = event => {
      event.preventDefault();
      if (this.#socket) this.#socket.close(1000);
      else this.#connect();
    };
    this.#find(".send").onsubmit = event => {
      event.preventDefault();
      this.#send();
    };
    this.#find(".remove").onclick = () => {
      this.#socket?.close(1000);
      this.node.remove();
      removed();
    };
    this.#showTotals();
  }

  focus() {
    this.#url.focus();
  }

  // Where the server of this page listens, until somebody types another URL.
  suggest(address) {
    if (this.#edited || this.#socket) return;
    const everywhere = /(?<=^wss?:\/\/)(0\.0\.0\.0|\[::\])(?=:\d+$)/;
    this.#url.value = `${address.replace(everywhere, location.hostname)}/${this.#name}`;
  }

  #find(selector) {
    return this.node.querySelector(selector);
  }

  #connect() {
    showError(this.#error, null);
    const url = this.#url.value.trim();
    if (!/^wss?:\/\//i.test(url) || !URL.canParse(url)) {
      showError(this.#error, `“${url}” is no WebSocket URL. It looks like ws://127.0.0.1:8080/path.`);
      return;
    }
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#note(`connected to ${socket.url}`);
      this.#setState("open", "Connected");
    };
    socket.onmessage = ({ data }) => this.#received(data);
    socket.onclose = ({ code, reason }) => {
      this.#socket = null;
      this.#note(`closed: ${code}${reason && ` “${reason}”`}${code === 1006 ? ", without a Close frame: not reached, refused, or cut" : ""}`);
      this.#setState("closed", "Not connected");
    };
    this.#socket = socket;
    this.#setState("closing", "Connecting …");
  }

  #setState(state, text) {
    this.#pill.dataset.state = state;
    setText(this.#pill, text);
    setText(this.#connectButton, this.#socket ? "Disconnect" : "Connect");
    this.#connectButton.classList.toggle("primary", !this.#socket);
    this.#sendButton.disabled = state !== "open";
    this.#url.disabled = this.#socket !== null;
  }

  #send() {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    const written = this.#data.value;
    if (this.#type.value === "text") {
      this.#socket.send(written);
      this.#count("Out", new TextEncoder().encode(written).length);
      this.#note(written, "sent");
    } else {
      const digits = written.replace(/\s/g, "");
      if (!/^([0-9a-f]{2})*$/i.test(digits)) {
        showError(this.#error, "Binary data is written in hex, two digits a byte: 48 65 6c 6c 6f.");
        return;
      }
      const data = Uint8Array.from(digits.match(/../g) ?? [], byte => parseInt(byte, 16));
      this.#socket.send(data);
      this.#count("Out", data.length);
      this.#note(hex(digits), "sent hex");
    }
    showError(this.#error, null);
    this.#data.value = "";
  }

  #received(data) {
    if (typeof data === "string") {
      this.#count("In", new TextEncoder().encode(data).length);
      this.#note(data.length > 2000 ? `${data.slice(0, 2000)} …` : data, "received");
    } else {
      this.#count("In", data.byteLength);
      const start = Array.from(new Uint8Array(data, 0, Math.min(data.byteLength, 500)), byte => byte.toString(16).padStart(2, "0")).join(" ");
      this.#note(data.byteLength > 500 ? `${start} …` : start, "received hex");
    }
  }

  #count(direction, size) {
    this.#totals[`messages${direction}`]++;
    this.#totals[`bytes${direction}`] += size;
  }

  // Written once per frame, however much comes.
  #note(text, kind = "event") {
    this.#pending.push({ when: Date.now(), text, kind });
    if (this.#pending.length > limit) this.#pending.shift();
    if (this.#pending.length === 1) requestAnimationFrame(() => this.#flush());
  }

  #flush() {
    prependRows(this.#log, this.#pending.map(({ when, text, kind }) => element("li", { className: kind.split(" ")[0] },
      element("time", {}, time(when)),
      element("span", { className: "sign", role: "img", "aria-label": kind.split(" ")[0] }, kind.startsWith("sent") ? "↑" : kind.startsWith("received") ? "↓" : "·"),
      element("span", { className: kind.endsWith("hex") ? "data hex" : "data" }, text))), limit);
    this.#pending = [];
    this.#log.parentElement.hidden = false;
    this.#showTotals();
  }

  #showTotals() {
    const { messagesIn, bytesIn, messagesOut, bytesOut } = this.#totals;
    setText(this.#find(".totals"), `Received ${count(messagesIn)} (${bytes(bytesIn)}), sent ${count(messagesOut)} (${bytes(bytesOut)})`);
  }
}
