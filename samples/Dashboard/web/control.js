// The connection to the control server: commands go out, reports come in. Reconnects by itself.

export class Control {
  #socket;
  #lastId = 0;
  #waiting = new Map(); // command id → what takes its reply
  #onReport;
  #onLink;

  constructor(onReport, onLink) {
    this.#onReport = onReport;
    this.#onLink = onLink;
    this.#connect();
  }

  // Resolves with the reply { ok, text }. A lost connection is a reply too.
  ask(command, fields = {}) {
    return new Promise(resolve => {
      if (this.#socket.readyState !== WebSocket.OPEN) {
        resolve(lost);
        return;
      }
      const id = ++this.#lastId;
      this.#waiting.set(id, resolve);
      this.#socket.send(JSON.stringify({ command, id, ...fields }));
    });
  }

  #connect() {
    this.#socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/control`);
    this.#socket.onopen = () => this.#onLink(true);
    this.#socket.onmessage = event => {
      const message = JSON.parse(event.data);
      if (message.type !== "reply") {
        this.#onReport(message);
        return;
      }
      this.#waiting.get(message.id)?.(message);
      this.#waiting.delete(message.id);
    };
    this.#socket.onclose = () => {
      this.#onLink(false);
      for (const resolve of this.#waiting.values()) resolve(lost);
      this.#waiting.clear();
      setTimeout(() => this.#connect(), 1000);
    };
  }
}

const lost = { ok: false, text: "The dashboard's program does not answer. Is it still running?" };
