// The figures beside the picture: what tracks, how fast, how late, how healthy, and the recording.

import { write } from "./targets.js";
import { fields, list, number, text } from "./wire.js";

const LEVELS = ["OK", "Warning", "Error", "Stale"];
const FIGURES_EVERY = 250; // ms: faster cannot be read
const RATE = 2000; // ms over which pictures are counted
const LATENCIES = 30; // pictures whose median is shown
const SMOOTH = 0.2;

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element;
}

export class Panel {
  /** @param {(words: string) => void} worse the health has another worst level than before */
  constructor(worse) {
    this.worse = worse;
    this._level = 0;
    /** @type {import("./wire.js").Status|null} */
    this.status = null;
    /** @type {{at: number, latency: import("./clock.js").Latency}[]} */
    this._shown = [];
    /** @type {Map<string, number>} */
    this._times = new Map();
    setInterval(() => document.hidden || this._write(), FIGURES_EVERY);
  }

  /** @param {import("./wire.js").Status|null} status */
  take(status) {
    this.status = status;
    if (!status) this._times.clear();
    for (const [stage, seconds] of status?.times ?? []) {
      const before = this._times.get(stage) ?? seconds;
      this._times.set(stage, before + SMOOTH * (seconds - before));
    }
  }

  /** A picture is on the screen. @param {import("./clock.js").Latency} latency */
  picture(latency) {
    const now = performance.now();
    this._shown.push({ at: now, latency });
    this._shown = this._shown.filter((one, index, all) => now - one.at < RATE || index >= all.length - LATENCIES);
  }

  _write() {
    const { status } = this;
    const now = performance.now();
    const counts = status?.counts ?? {};
    const [last, before] = [this._shown.at(-1), this._shown.at(-2)];
    const period = last && before ? last.at - before.at : 0;
    // On a slow link the last picture alone tells how late it is, until the next one is overdue.
    const slow = last && period > RATE / 2 && now - last.at < 3 * period;
    const recent = slow ? [last] : this._shown.filter((one) => now - one.at < RATE);
    figure("rate", hertz(counts.rate));
    figure("pictures", hertz(1000 / (slow ? period : RATE / recent.length)));
    figure("frame-age", milliseconds(counts.frame_age, 1000));
    this._latency(slow || !recent.length ? recent : this._shown);
    figure("processed", count(counts.processed));
    figure("dropped", count(counts.dropped));
    figure("rejected", count(counts.rejected));
    writeName(byId("figure-model"), status?.model || "–");
    figure("backend", [status?.backend, status?.precision].filter(Boolean).join(", ") || "–");
    this._stages();
  }

  /** The median, and how far it may be off. @param {{latency: import("./clock.js").Latency}[]} shown */
  _latency(shown) {
    const all = shown.map((one) => one.latency);
    const known = all.filter((one) => one.ms !== null).sort((a, b) => Number(a.ms) - Number(b.ms));
    const middle = known[known.length >> 1];
    const why = all.length ? all[all.length - 1].why : "";
    figure("latency", middle ? milliseconds(middle.ms, 1) : why || "–");
    const off = middle ? `give or take ${milliseconds(Math.max(middle.off, 1), 1)}` : "";
    write(byId("figure-latency-off"), off && `, ${off}`);
    const box = /** @type {HTMLElement} */ (byId("figure-latency").parentElement);
    if (box.title !== off) box.title = off;
  }

  _stages() {
    const box = byId("stages");
    const most = Math.max(...this._times.values(), 1e-9);
    byId("stages-box").hidden = this._times.size === 0;
    for (const item of [...box.children]) {
      if (!this._times.has(/** @type {HTMLElement} */ (item).dataset.stage ?? "")) item.remove();
    }
    for (const [stage, seconds] of this._times) {
      let item = [...box.children].find((one) => /** @type {HTMLElement} */ (one).dataset.stage === stage);
      if (!item) {
        item = document.createElement("li");
        /** @type {HTMLElement} */ (item).dataset.stage = stage;
        const [name, track, value] = ["span", "span", "span"].map((tag) => document.createElement(tag));
        name.textContent = stage;
        track.className = "track";
        track.append(document.createElement("span"));
        value.className = "number";
        item.append(name, track, value);
        box.append(item);
      }
      const bar = /** @type {HTMLElement} */ (item.children[1].firstElementChild);
      bar.style.width = `${Math.min((100 * seconds) / most, 100).toFixed(1)}%`;
      write(item.children[2], `${(seconds * 1000).toFixed(1)} ms`);
    }
  }

  /** @param {unknown} items */
  health(items) {
    const told = list(items).map(fields);
    const box = byId("health");
    const names = new Set(told.map((item) => text(item.name)));
    for (const item of [...box.children]) {
      if (!names.has(/** @type {HTMLElement} */ (item).dataset.name ?? "")) item.remove();
    }
    let worst = 0;
    for (const one of told) {
      const level = Math.min(Math.max(Math.round(number(one.level) ?? 3), 0), 3);
      worst = Math.max(worst, level);
      const name = text(one.name);
      let item = /** @type {HTMLElement|undefined} */ (
        [...box.children].find((had) => /** @type {HTMLElement} */ (had).dataset.name === name)
      );
      if (!item) {
        item = healthItem(name);
        box.append(item);
      }
      item.dataset.level = String(level);
      write(/** @type {Element} */ (item.querySelector(".level")), LEVELS[level]);
      write(/** @type {Element} */ (item.querySelector(".what")), text(one.message));
      values(/** @type {Element} */ (item.querySelector("dl")), list(one.values));
    }
    const bad = told.filter((item) => item.level !== 0).length;
    const summary = !told.length ? "nothing heard" : bad ? `${LEVELS[worst]}: ${bad} of ${told.length} not well` : "all well";
    write(byId("health-words"), summary);
    byId("health-words").dataset.level = String(told.length ? worst : 3);
    if (told.length && worst !== this._level) {
      this._level = worst;
      this.worse(`Health: ${summary}.`);
    }
  }

  /** @param {Record<string, any>} told */
  recording(told) {
    const on = told.on === true;
    document.body.dataset.recording = on ? "on" : "off";
    write(byId("record-words"), on ? "Stop recording" : "Record");
    const size = [number(told.seconds), number(told.megabytes)];
    const parts = [
      on ? "Recording" : text(told.path) ? "Not recording; the last one:" : "Not recording.",
      size[0] !== null && text(told.path) ? `${size[0].toFixed(0)} s,` : "",
      size[1] !== null && text(told.path) ? `${size[1].toFixed(1)} MB` : "",
    ];
    write(byId("recording"), parts.filter(Boolean).join(" "));
    write(byId("recording-path"), text(told.path));
    write(byId("recording-error"), text(told.error));
  }
}

/** @param {string} name */
function healthItem(name) {
  const item = document.createElement("li");
  item.dataset.name = name;
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  for (const kind of ["level", "title", "what"]) {
    const part = document.createElement("span");
    part.className = kind;
    summary.append(part);
  }
  summary.children[1].textContent = name;
  details.append(summary, document.createElement("dl"));
  item.append(details);
  return item;
}

/** @param {Element} box @param {any[]} pairs */
function values(box, pairs) {
  const words = pairs.flatMap((pair) => list(pair).slice(0, 2).map(String));
  while (box.children.length > words.length) box.lastElementChild?.remove();
  words.forEach((word, index) => {
    if (!box.children[index]) box.append(document.createElement(index % 2 ? "dd" : "dt"));
    write(box.children[index], word);
  });
}

/** Where there is no room for it, it is broken between its parts. @param {Element} element @param {string} words */
function writeName(element, words) {
  if (element.textContent === words) return;
  const parts = words.split("_").flatMap((part, index) => (index ? ["_", document.createElement("wbr"), part] : [part]));
  element.replaceChildren(...parts);
}

/** @param {string} name @param {string} words */
function figure(name, words) {
  write(byId(`figure-${name}`), words);
}

/** @param {number|null|undefined} value */
const hertz = (value) => (value === null || value === undefined ? "–" : `${value.toFixed(1)} Hz`);

/** @param {number|null|undefined} value @param {number} factor to milliseconds */
function milliseconds(value, factor) {
  if (value === null || value === undefined) return "–";
  const ms = value * factor;
  return ms < 10_000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(0)} s`;
}

/** @param {number|null|undefined} value */
const count = (value) => (value === null || value === undefined ? "–" : value.toFixed(0));
