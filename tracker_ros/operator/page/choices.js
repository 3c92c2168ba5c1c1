// What can be chosen of what the robot has: the camera that is shown, and the tracker that runs.

import { fields, list, text } from "./wire.js";

const LOADING = 60_000; // ms until a tracker that was asked for runs; then the list shows again what does

export class Topics {
  /** @param {HTMLElement} select @param {string} remembered @param {(topic: string) => void} chosen */
  constructor(select, remembered, chosen) {
    this.select = /** @type {HTMLSelectElement} */ (select);
    this.chosen = "";
    this.tracked = "";
    /** Whether there are image topics, and whether the chosen one is among them. */
    this.any = this.there = false;
    /** What was chosen by hand; empty: nothing. */
    this.wish = remembered;
    this.select.addEventListener("change", () => {
      this.wish = this.chosen = this.select.value;
      chosen(this.chosen);
    });
  }

  /** @param {unknown} topics @param {string} tracked */
  offer(topics, tracked) {
    const names = list(topics).map((one) => text(fields(one).name)).filter(Boolean);
    this.tracked = tracked;
    this.any = names.length > 0;
    const { wish, chosen } = this;
    if (wish && names.includes(wish)) this.chosen = wish;
    else if (wish && wish === chosen) this.chosen = wish; // it may come back
    else if (names.includes(tracked)) this.chosen = tracked;
    // Nor is the tracked one left for another when its camera goes: that would hide it.
    else if (!chosen || (chosen !== tracked && !names.includes(chosen))) this.chosen = names[0] ?? (chosen || tracked);
    this.there = names.includes(this.chosen);
    /** @type {[string, string][]} */
    const options = names.map((name) => [name, name === tracked ? `${name} (tracked)` : name]);
    if (this.chosen && !names.includes(this.chosen)) options.push([this.chosen, `${this.chosen} (gone)`]);
    fill(this.select, options, this.chosen);
  }

  /** The topic that is tracked, where another one is shown; else empty. */
  get other() {
    return this.tracked && this.chosen && this.tracked !== this.chosen ? this.tracked : "";
  }
}

export class Trackers {
  /** @param {HTMLElement} select @param {(name: string) => Promise<boolean>} ask */
  constructor(select, ask) {
    this.select = /** @type {HTMLSelectElement} */ (select);
    this._runs = "";
    this._asked = "";
    this._until = 0;
    /** @type {string[]} */
    this._names = [];
    this.select.addEventListener("change", async () => {
      const name = this.select.value;
      this._asked = name;
      this._until = performance.now() + LOADING;
      if (!(await ask(name)) && this._asked === name) this._asked = "";
      this._show();
    });
  }

  /** @param {unknown} names */
  offer(names) {
    this._names = list(names).map(text).filter(Boolean);
    this._asked = "";
    this._show();
  }

  /** The tracker of the last image. @param {string} name */
  runs(name) {
    if (name === this._asked || performance.now() > this._until) this._asked = "";
    if (name === this._runs && this.select.value === (this._asked || name)) return;
    this._runs = name;
    this._show();
  }

  _show() {
    const shown = this._asked || this._runs;
    /** @type {[string, string][]} */
    const options = this._names.map((name) => [name, name === this._asked ? `${name} (loading)` : name]);
    if (shown && !this._names.includes(shown)) options.push([shown, shown]);
    fill(this.select, options, shown);
  }
}

/**
 * Make the list anew where it is another one: an open list stays open.
 * @param {HTMLSelectElement} select @param {[string, string][]} options @param {string} value
 */
function fill(select, options, value) {
  const had = [...select.options].map((one) => one.value + "\n" + one.textContent).join("\n");
  if (had !== options.map((one) => one.join("\n")).join("\n")) {
    select.replaceChildren(...options.map(([name, words]) => new Option(words, name)));
  }
  if (select.value !== value) select.value = value;
}
