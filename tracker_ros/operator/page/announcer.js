// What is said to screen readers alone. The words that are seen count seconds, and would be said anew
// at every one; here each change is said once, politely.

import { LOOKS } from "./states.js";

const READ = 10_000; // ms until a sentence is taken away
const SETTLED = 600; // ms that a state has to last: one that flickers is not to be listened to

export class Announcer {
  /** @param {HTMLElement} region a live region that tells what is added */
  constructor(region) {
    this.region = region;
    /** @type {Map<string, string>} */
    this._last = new Map();
    /** @type {Map<string, {name: string, state: string, since: number, said: string}>} */
    this._targets = new Map();
  }

  /** @param {string} words */
  say(words) {
    const line = document.createElement("p");
    line.textContent = words;
    this.region.append(line);
    setTimeout(() => line.remove(), READ);
  }

  /** Say it, if it was not the last thing said of this. @param {string} of @param {string} words empty: nothing */
  changed(of, words) {
    if (words === (this._last.get(of) ?? "")) return;
    this._last.set(of, words);
    if (words) this.say(words);
  }

  /** The targets of every status. @param {import("./wire.js").Target[]} targets */
  states(targets) {
    const now = performance.now();
    const words = [];
    for (const { id, label, state, reason } of targets) {
      const one = this._targets.get(id) ?? { name: "", state: "", since: now, said: "" };
      this._targets.set(id, one);
      one.name = [id, label].filter(Boolean).join(" ");
      if (state !== one.state) Object.assign(one, { state, since: now });
      if (state === one.said || now - one.since < SETTLED) continue;
      one.said = state;
      words.push(`Target ${one.name} is ${state.toLowerCase()}: ${reason || LOOKS[state].words}.`);
    }
    const there = new Set(targets.map((target) => target.id));
    for (const [id, { name, said }] of this._targets) {
      if (there.has(id)) continue;
      this._targets.delete(id);
      if (said) words.push(`Target ${name} has ended.`);
    }
    if (words.length) this.say(words.join(" "));
  }
}
