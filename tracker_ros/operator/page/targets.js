// The list of targets beside the picture, and of identities that can be followed.

import { LOOKS, swatch } from "./states.js";

/**
 * @typedef {import("./wire.js").Target} Target
 * @typedef {import("./wire.js").Found} Found
 *
 * @typedef {object} Row
 * @property {HTMLElement} item
 * @property {HTMLElement} mark
 * @property {HTMLElement} name
 * @property {HTMLElement} state
 * @property {HTMLElement} reason
 * @property {HTMLButtonElement} again
 */

const MOST_FOUND = 40;
const FOUND_EVERY = 500; // ms; a list that changes faster cannot be used

export class Targets {
  /**
   * @param {HTMLElement} list @param {HTMLElement} found @param {HTMLElement} foundBox
   * @param {{follow: (id: string) => void, again: (id: string) => void}} listener
   */
  constructor(list, found, foundBox, listener) {
    this.list = list;
    this.found = found;
    this.foundBox = foundBox;
    this.listener = listener;
    /** The target that the next box points anew; empty: a new one. */
    this.pointed = "";
    /** @type {Map<string, Row>} */
    this._rows = new Map();
    this._foundAt = 0;
    this._foundIds = "";
  }

  /** @param {Target[]} targets */
  show(targets) {
    const ids = new Set(targets.map((target) => target.id));
    for (const [id, row] of this._rows) {
      if (ids.has(id)) continue;
      row.item.remove();
      this._rows.delete(id);
    }
    if (this.pointed && !ids.has(this.pointed)) this.listener.again("");
    for (const target of targets) this._fill(this._rows.get(target.id) ?? this._make(target.id), target);
    this.list.dataset.count = String(targets.length);
  }

  /** Nothing is heard: what they do is not known. */
  silence() {
    for (const row of this._rows.values()) {
      if (row.item.dataset.state === "UNKNOWN") continue;
      row.item.dataset.state = "UNKNOWN";
      row.mark.replaceChildren(swatch("UNKNOWN"));
      write(row.state, "UNKNOWN");
      write(row.reason, LOOKS.UNKNOWN.words);
    }
  }

  /** The next box is for this target. @param {string} id empty: a new one */
  point(id) {
    this.pointed = id;
    for (const [one, row] of this._rows) row.again.setAttribute("aria-pressed", String(one === id && id !== ""));
  }

  /** @param {Found[]} identities that are in the picture @param {Target[]} targets */
  showFound(identities, targets) {
    const now = performance.now();
    if (now - this._foundAt < FOUND_EVERY) return;
    this._foundAt = now;
    const followed = new Set(targets.map((target) => target.id));
    const free = identities.filter((one) => one.id && !followed.has(one.id));
    free.sort((a, b) => a.id.localeCompare(b.id, undefined, { numeric: true }));
    const ids = JSON.stringify(free.slice(0, MOST_FOUND).map((one) => [one.id, one.label]));
    if (free.length) this.foundBox.hidden = false; // and stays: the page does not jump when they come and go
    if (ids === this._foundIds) return;
    this._foundIds = ids;
    const had = new Map([...this.found.children].map((item) => [/** @type {HTMLElement} */ (item).dataset.id, item]));
    const items = free.slice(0, MOST_FOUND).map((one) => had.get(one.id) ?? this._makeFound(one));
    for (const item of had.values()) if (!items.includes(item)) item.remove();
    items.forEach((item, index) => {
      // What stays is not moved: it may have the focus.
      if (this.found.children[index] !== item) this.found.insertBefore(item, this.found.children[index] ?? null);
    });
  }

  /** @param {Row} row @param {Target} target */
  _fill(row, { label, id, state, reason, score }) {
    if (row.item.dataset.state !== state) {
      row.item.dataset.state = state;
      row.mark.replaceChildren(swatch(state));
      row.state.textContent = state;
    }
    write(row.name, [id, label].filter(Boolean).join(" "));
    write(row.reason, [reason || LOOKS[state].words, score === null ? "" : score.toFixed(2)].filter(Boolean).join(" ·\u00a0"));
  }

  /** @param {string} id @returns {Row} */
  _make(id) {
    const item = document.createElement("li");
    item.dataset.id = id;
    const [mark, name, state, reason] = ["mark", "name", "state", "reason soft"].map((kind) => {
      const part = document.createElement("span");
      part.className = kind;
      return part;
    });
    const again = document.createElement("button");
    again.type = "button";
    again.textContent = "Point anew";
    again.setAttribute("aria-label", `Point target ${id} anew with the next box`);
    again.setAttribute("aria-pressed", "false");
    again.addEventListener("click", () => this.listener.again(this.pointed === id ? "" : id));
    item.append(mark, name, state, reason, again);
    this.list.append(item);
    const row = { item, mark, name, state, reason, again };
    this._rows.set(id, row);
    return row;
  }

  /** @param {Found} one */
  _makeFound(one) {
    const item = document.createElement("li");
    item.dataset.id = one.id;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = [one.id, one.label].filter(Boolean).join(" ");
    button.setAttribute("aria-label", `Follow ${button.textContent}`);
    button.addEventListener("click", () => this.listener.follow(one.id));
    item.append(button);
    return item;
  }
}

/** Write where it is another text: screen readers and the layout are left alone else.
 * @param {Element} element @param {string} words */
export function write(element, words) {
  if (element.textContent !== words) element.textContent = words;
}
