// Whether the camera that is watched sends: by what the server says of it, and by what comes.

import { clock } from "./messages.js";
import { sentence } from "./notice.js";
import { number, text } from "./wire.js";

const SECOND = 1000;
const FIRST = 1500; // ms in which the node finds who publishes, before it is right about it
const SILENCE = 3000; // ms without a picture or a word; the server has a word of it every second
const PATIENCE = 15_000; // ms, where a slow link brings nothing else while a picture travels

/**
 * @typedef {object} Gone
 * @property {string} words why, the server's or ours
 * @property {number|null} at performance.now() of the last image, null: none has come
 * @property {boolean} alerted whether a message has told of it
 */

export class Camera {
  /** @param {import("./messages.js").Messages} messages */
  constructor(messages) {
    this.messages = messages;
    this.topic = "";
    /** Whether a picture was shown since it is watched, by this connection. */
    this.shown = false;
    /** null: it sends, as far as is known. @type {Gone|null} */
    this.gone = null;
    this._watching = false;
    this._since = 0; // performance.now() when it was begun to be watched
    this._heard = 0; // of the last picture, or word of the server
    /** performance.now() of the last picture. @type {number|null} */
    this._pictured = null;
    this._silence = SILENCE; // ms that are too long
  }

  /** ms in which nothing need be heard: where a picture travels for long, states wait behind it. */
  get patience() {
    return this._silence;
  }

  /** @param {string} topic @param {boolean} watching whether pictures are wanted now */
  watch(topic, watching) {
    if (topic !== this.topic) {
      this.topic = topic;
      this._pictured = null;
      this.forget();
    }
    this._watching = watching && topic !== "";
    this._heard = performance.now();
  }

  /** What is known is of another connection, or of another camera. */
  forget() {
    this.shown = false;
    this.gone = null;
    this._heard = this._since = performance.now();
  }

  /** A picture has come. @param {string} topic */
  picture(topic) {
    if (topic !== this.topic) return;
    const now = performance.now();
    const slow = 2 * (now - (this._pictured ?? now));
    this._silence = Math.min(Math.max(slow, SILENCE), PATIENCE);
    this._heard = this._pictured = now;
    // What the server said last may be newer than this picture; it says itself when it is over.
    if (!this.gone?.alerted) this.gone = null;
  }

  /** What the server says of it. @param {Record<string, any>} message */
  take(message) {
    if (text(message.topic) && message.topic !== this.topic) return;
    const now = performance.now();
    const before = this.gone;
    const words = text(message.message);
    const seconds = number(message.received);
    const last = Math.max(this._pictured ?? 0, this._since);
    this._heard = now;
    const gone = typeof message.gone === "boolean" ? message.gone : words !== "";
    // Where there are words though it sends: its images cannot be shown.
    const unseen = words !== "" && now - last > this._silence;
    const early = seconds === null && now - last < FIRST;
    if (early || (!gone && !unseen)) {
      this.gone = null;
      if (before?.alerted) this.messages.good(`Pictures again at ${clock()}.`);
      return;
    }
    const at = gone && seconds !== null ? now - seconds * SECOND : this._pictured;
    this.gone = { words, at, alerted: at !== null };
    if (at !== null && !before?.alerted) this.messages.bad(`No picture since ${clock(now - at)}. ${sentence(words)}`);
  }

  /** Whether nothing at all has come for too long: called several times a second. */
  look() {
    if (!this._watching || this.gone || performance.now() - this._heard < this._silence) return;
    const words = `the server has said nothing of ${this.topic} for ${(this._silence / SECOND).toFixed(0)} s`;
    this.gone = { words, at: this._pictured, alerted: false };
  }
}
