// The connection to the node: it is opened, watched, opened again when it is lost, and answers are
// brought to the requests that they belong to.

import { Clock } from "./clock.js";
import { fields, text } from "./wire.js";

/**
 * @typedef {"connecting"|"open"|"lost"|"token"} Connection
 * token: the server wants another one, and only the operator can help
 *
 * @typedef {object} Answer
 * @property {boolean} ok
 * @property {string} message
 *
 * @typedef {object} Listener
 * @property {(state: Connection, words: string) => void} connection
 * @property {(seconds: number) => void} waiting until the next attempt, every second
 * @property {(message: Record<string, any>) => void} message
 * @property {(data: ArrayBuffer) => void} picture
 */

const VERSION = 1;
const GREETED = 8000; // ms from opening to the welcome
const SILENT = 15_000; // ms after a ping without anything that comes, as a picture on a slow link may take
const PING = 1000;
const FIRST_WAIT = 500;
const LONGEST_WAIT = 8000;
const ANSWERED = 15000; // the node itself gives up after 10 s

const WORDS = /** @type {Record<number, string>} */ ({
  1001: "the node has ended",
  4002: "the server missed the first message of this page",
  4003: "the server did not understand this page: load it again",
  4004: "this page has sent too much at once",
  4005: "too many pages are open",
});

export class Connected {
  /** @param {string} token @param {Listener} listener */
  constructor(token, listener) {
    this.token = token;
    this.listener = listener;
    /** @type {Connection} */
    this.state = "connecting";
    this.clock = new Clock();
    /** @type {WebSocket|null} */
    this._socket = null;
    /** @type {Map<number, (answer: Answer) => void>} */
    this._asked = new Map();
    this._number = 0;
    this._attempts = 0;
    this._due = 0; // performance.now() of the next attempt
    this._pinged = 0; // of the first ping that waits for its answer, 0: none
    this._heard = 0; // when anything came last: a pong may stand in line behind pictures
    this._opened = 0;
    this._bye = "";
    window.addEventListener("online", () => this.retry());
    document.addEventListener("visibilitychange", () => document.hidden || this.retry());
    setInterval(() => this._tick(), PING);
    this._open();
  }

  /** Try at once, where it waits to. */
  retry() {
    if (this.state === "lost" && !this._socket) this._open();
  }

  /** Connect with another token. @param {string} token */
  authorise(token) {
    this.token = token;
    this._end(this._socket);
    this._attempts = 0;
    this._open();
  }

  /** Send what needs no answer; false where nothing can be sent. @param {object} message */
  send(message) {
    if (this.state !== "open" || this._socket?.readyState !== WebSocket.OPEN) return false;
    this._socket.send(JSON.stringify(message));
    return true;
  }

  /**
   * Ask for something. It never throws: what goes wrong is an answer too.
   * @param {object} message without its number
   * @returns {Promise<Answer>}
   */
  request(message) {
    const number = ++this._number;
    return new Promise((resolve) => {
      /** @param {Answer} answer */
      const done = (answer) => {
        clearTimeout(late);
        this._asked.delete(number);
        resolve(answer);
      };
      const words = `no answer for ${ANSWERED / 1000} s; look whether it was done`;
      const late = setTimeout(() => done({ ok: false, message: words }), ANSWERED);
      this._asked.set(number, done);
      if (!this.send({ ...message, request: number })) {
        done({ ok: false, message: "not sent: there is no connection" });
      }
    });
  }

  _open() {
    this._attempts += 1;
    this._bye = "";
    this._pinged = 0;
    this._opened = performance.now();
    if (this.state !== "lost") this._tell("connecting", "");
    const address = new URL("socket", document.baseURI);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    address.hash = "";
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    this._socket = socket;
    socket.onopen = () => socket.send(JSON.stringify({ type: "hello", version: VERSION, token: this.token }));
    socket.onmessage = (event) => socket === this._socket && this._take(event.data);
    socket.onclose = (event) => socket === this._socket && this._closed(event.code, event.reason);
  }

  /** @param {string|ArrayBuffer} data */
  _take(data) {
    this._heard = performance.now();
    if (typeof data !== "string") {
      if (this.state === "open") this.listener.picture(data);
      return;
    }
    /** @type {Record<string, any>} */
    let message;
    try {
      message = fields(JSON.parse(data));
    } catch {
      return; // no JSON: the next message may be
    }
    if (message.type === "pong") this._measure(message.at, Number(message.now) / 1e6);
    else if (message.type === "answer") {
      this._asked.get(message.request)?.({ ok: message.ok === true, message: text(message.message) });
    } else if (message.type === "bye") this._bye = text(message.reason);
    else {
      if (message.type === "welcome") {
        this._attempts = 0;
        this.clock.forget();
        this._tell("open", "");
        this._ping();
      }
      this.listener.message(message);
    }
  }

  /** @param {unknown} at when the ping left @param {number} there the node's clock when it came, ms */
  _measure(at, there) {
    this._pinged = 0;
    if (typeof at === "number" && Number.isFinite(at) && Number.isFinite(there)) this.clock.measure(at, there);
  }

  _ping() {
    const now = performance.now();
    if (this.send({ type: "ping", at: now })) this._pinged ||= now;
  }

  _tick() {
    const now = performance.now();
    if (this.state === "open") {
      if (this._pinged && now - Math.max(this._pinged, this._heard) > SILENT) {
        this._lose(`nothing has come from the server for ${SILENT / 1000} s`);
      } else this._ping(); // before the answer, too: the server closes what it hears nothing of
    } else if (this._socket) {
      if (now - this._opened > GREETED) this._lose("the server does not answer");
    } else if (this.state === "lost") {
      if (now >= this._due) this._open();
      else this.listener.waiting(Math.ceil((this._due - now) / 1000));
    }
  }

  /** @param {number} code @param {string} reason */
  _closed(code, reason) {
    const words = this._bye || reason || WORDS[code] || "the server cannot be reached";
    if (code !== 4001) {
      this._lose(words, code === 4005);
      return;
    }
    this._end(this._socket);
    this._tell("token", words);
  }

  /** @param {string} words @param {boolean} [full] the server has too many pages already */
  _lose(words, full = false) {
    this._end(this._socket);
    const wait = full ? LONGEST_WAIT : Math.min(FIRST_WAIT * 2 ** (this._attempts - 1), LONGEST_WAIT);
    // Not all pages at the same moment, when a node comes back.
    this._due = performance.now() + Math.max(wait, FIRST_WAIT) * (0.8 + 0.4 * Math.random());
    this._tell("lost", words);
  }

  /** @param {WebSocket|null} socket */
  _end(socket) {
    this._socket = null;
    socket?.close();
    for (const done of [...this._asked.values()]) {
      done({ ok: false, message: "the connection was lost before the answer; look whether it was done" });
    }
  }

  /** @param {Connection} state @param {string} words */
  _tell(state, words) {
    this.state = state;
    this.listener.connection(state, words);
  }
}
