// What has happened, in words: the newest below the picture, where screen readers are told of it too,
// and all of the last ones in a list, so that none is gone before it was read.

const KEPT = 30;
const GOOD = 8000; // ms; what went wrong stays until something else happens, or it is closed

/** @typedef {"good"|"bad"|"busy"} Kind */

export class Messages {
  /**
   * @param {HTMLElement} bar holds a status, an alert, a hint and a button that closes
   * @param {HTMLElement} log a list
   */
  constructor(bar, log) {
    this.bar = bar;
    this.log = log;
    this.status = /** @type {HTMLElement} */ (bar.querySelector("[role=status]"));
    this.alert = /** @type {HTMLElement} */ (bar.querySelector("[role=alert]"));
    this._over = 0;
    bar.querySelector("button")?.addEventListener("click", () => this._show("", "good"));
  }

  /** @param {string} words */
  good(words) {
    this._add(words, "good");
  }

  /** @param {string} words */
  bad(words) {
    this._add(words, "bad");
  }

  /** It will be answered. @param {string} words */
  busy(words) {
    this._show(words, "busy");
  }

  /** @param {string} words @param {Kind} kind */
  _add(words, kind) {
    this._show(words, kind);
    const item = document.createElement("li");
    item.dataset.kind = kind;
    const time = document.createElement("time");
    time.textContent = clock();
    const what = document.createElement("span");
    what.textContent = words;
    item.append(time, what);
    this.log.prepend(item);
    while (this.log.children.length > KEPT) this.log.lastElementChild?.remove();
    this.log.parentElement?.removeAttribute("hidden");
  }

  /** @param {string} words @param {Kind} kind */
  _show(words, kind) {
    clearTimeout(this._over);
    this.bar.dataset.kind = words ? kind : "";
    this.status.textContent = kind === "bad" ? "" : words;
    this.alert.textContent = kind === "bad" ? words : "";
    if (words && kind === "good") this._over = setTimeout(() => this._show("", "good"), GOOD);
  }
}

/** The time of day, now or some milliseconds ago. @param {number} [ago] */
export function clock(ago = 0) {
  return new Date(Date.now() - ago).toLocaleTimeString([], { hour12: false });
}

/** @param {number} ms */
export function duration(ms) {
  const seconds = Math.max(Math.round(ms / 1000), 0);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 120 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
