// The states of the targets over the last minutes: a strip for each, coloured and as high as its
// state is good, and the same in words.

import { LOOKS, stateOf } from "./states.js";
import { fields, list, number, text } from "./wire.js";

/**
 * @typedef {import("./states.js").State} State
 * @typedef {object} Life
 * @property {string} label
 * @property {{at: number, state: State}[]} changes the oldest first; at: performance.now()
 *
 * @typedef {object} Row
 * @property {HTMLElement} row
 * @property {HTMLElement} name
 * @property {SVGElement} strip
 * @property {HTMLElement} words
 */

const ROWS = 12;
const CHANGES = 500;
const WORDS_EVERY = 5000; // ms; a screen reader is not to be told anew all the time
const SILENCE = 3000; // ms without a status: what the targets do is not known
const SVG = "http://www.w3.org/2000/svg";

export class Timeline {
  /** @param {HTMLElement} list_ @param {HTMLElement} empty shown where there is nothing */
  constructor(list_, empty) {
    this.list = list_;
    this.empty = empty;
    this.span = 300_000;
    /** The newest first. @type {Map<string, Life>} */
    this.lives = new Map();
    /** @type {Map<string, Row>} */
    this._rows = new Map();
    this._heard = 0;
    this._worded = 0;
    setInterval(() => document.hidden || this.draw(), 1000);
  }

  /** What the server remembers. @param {unknown} told */
  restore(told) {
    const now = performance.now();
    this.span = (number(fields(told).seconds) ?? 300) * 1000;
    this.lives.clear();
    this.list.style.setProperty("--minute", `${((100 * 60_000) / this.span).toFixed(3)}%`);
    for (const target of list(fields(told).targets).map(fields)) {
      const changes = list(target.changes).flatMap((change) => {
        const ago = number(list(change)[0]);
        return ago === null ? [] : [{ at: now - ago * 1000, state: stateOf(list(change)[1]) }];
      });
      if (changes.length) this.lives.set(text(target.id), { label: text(target.label), changes });
    }
    this._heard = now;
    this._worded = 0;
    this.draw();
  }

  /** @param {import("./wire.js").Target[]} targets */
  add(targets) {
    const now = performance.now();
    this._heard = now;
    let changed = false;
    for (const { id, label, state } of targets) {
      const life = this.lives.get(id) ?? { label, changes: [] };
      this.lives.set(id, life);
      life.label = label;
      changed = become(life, state, now) || changed;
    }
    const there = new Set(targets.map((target) => target.id));
    for (const [id, life] of this.lives) {
      if (!there.has(id)) changed = become(life, "ENDED", now) || changed;
    }
    if (changed) this.draw();
  }

  draw() {
    const now = performance.now();
    if (this._heard && now - this._heard > SILENCE) {
      for (const life of this.lives.values()) {
        if (last(life) !== "ENDED") become(life, "UNKNOWN", this._heard);
      }
    }
    const worded = now - this._worded > WORDS_EVERY;
    if (worded) this._worded = now;
    const shown = [...this.lives].filter(([id, life]) => this._alive(id, life, now)).reverse();
    shown.sort(([, a], [, b]) => Number(last(a) === "ENDED") - Number(last(b) === "ENDED")).splice(ROWS);
    this.empty.hidden = shown.length > 0;
    for (const [id, row] of this._rows) {
      if (shown.some(([one]) => one === id)) continue;
      row.row.remove();
      this._rows.delete(id);
    }
    shown.forEach(([id, life], index) => {
      const row = this._rows.get(id) ?? this._make(id);
      if (this.list.children[index] !== row.row) this.list.insertBefore(row.row, this.list.children[index] ?? null);
      row.name.textContent = [id, life.label].filter(Boolean).join(" ");
      row.row.dataset.state = last(life);
      row.strip.replaceChildren(...this._stretches(life, now));
      if (worded || !row.words.textContent) row.words.textContent = this._words(life, now);
    });
  }

  /** Forget what was over before the span. @param {string} id @param {Life} life @param {number} now */
  _alive(id, life, now) {
    const begin = now - this.span;
    while (life.changes.length > 1 && life.changes[1].at < begin) life.changes.shift();
    const { at, state } = life.changes[life.changes.length - 1];
    const over = (state === "ENDED" || state === "UNKNOWN") && at < begin;
    if (over) this.lives.delete(id);
    return !over;
  }

  /** @param {Life} life @param {number} now */
  _stretches(life, now) {
    return life.changes.flatMap(({ at, state }, index) => {
      const end = life.changes[index + 1]?.at ?? now;
      const from = Math.max(1 - (now - at) / this.span, 0);
      const to = 1 - (now - end) / this.span;
      if (to <= from || state === "ENDED") return [];
      const height = state === "UNKNOWN" ? 1 : LOOKS[state].height;
      const rect = document.createElementNS(SVG, "rect");
      const values = { x: from * 1000, width: Math.max((to - from) * 1000, 1), y: 20 * (1 - height), height: 20 * height };
      for (const [name, value] of Object.entries(values)) rect.setAttribute(name, value.toFixed(2));
      rect.setAttribute("class", `fill ${state.toLowerCase()}`);
      return [rect];
    });
  }

  /** @param {Life} life @param {number} now */
  _words(life, now) {
    const said = life.changes.slice(-4).reverse().map(({ at, state }, index, all) => {
      const seconds = Math.max(Math.round(((index ? all[index - 1].at : now) - at) / 1000), 0);
      if (state === "ENDED") return `ended ${seconds} seconds ago`;
      return `${state} for ${seconds} seconds`;
    });
    return said.join("; before that ");
  }

  /** @param {string} id @returns {Row} */
  _make(id) {
    const row = document.createElement("li");
    row.dataset.id = id;
    const name = document.createElement("span");
    name.className = "lane-name";
    const strip = document.createElementNS(SVG, "svg");
    strip.setAttribute("class", "strip");
    strip.setAttribute("viewBox", "0 0 1000 20");
    strip.setAttribute("preserveAspectRatio", "none");
    strip.setAttribute("aria-hidden", "true");
    const words = document.createElement("span");
    words.className = "for-readers";
    row.append(name, strip, words);
    const made = { row, name, strip, words };
    this._rows.set(id, made);
    return made;
  }
}

/** @param {Life} life @returns {State} */
const last = (life) => life.changes[life.changes.length - 1]?.state ?? "UNKNOWN";

/** @param {Life} life @param {State} state @param {number} at */
function become(life, state, at) {
  if (life.changes.length && last(life) === state) return false;
  life.changes.push({ at, state });
  if (life.changes.length > CHANGES) life.changes.shift();
  return true;
}
