// What is drawn over the picture: targets by the colour and the line of their state, with id and
// trail, what else can be followed, and the box that the operator draws.

import { lineColour, LOOKS } from "./states.js";

/**
 * @typedef {import("./wire.js").Box} Box
 * @typedef {import("./wire.js").Target} Target
 * @typedef {import("./wire.js").Found} Found
 *
 * @typedef {object} Scene
 * @property {Target[]} targets
 * @property {Found[]} identities
 * @property {Found[]} detections
 * @property {Map<string, [number, number][]>} trails middles of targets, the oldest first, image pixels
 * @property {Found|null} hovered what a click would follow
 * @property {Box|null} drawn the box that is being drawn
 * @property {boolean} cursor it is the keyboard's: it has handles
 */

const DARK = "rgba(8, 10, 14, 0.94)"; // so dark that every state's colour is read on it, on any picture
const PAPER = "#ffffff";
const LONGEST = 32; // characters: ids come from anywhere

export class Overlay {
  /** @param {HTMLCanvasElement} canvas @param {import("./view.js").View} view */
  constructor(canvas, view) {
    this.canvas = canvas;
    this.view = view;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  }

  /** @param {Scene|null} scene null: nothing */
  draw(scene) {
    const { canvas, context, view } = this;
    const ratio = window.devicePixelRatio || 1;
    const width = Math.max(Math.round(view.stage.clientWidth * ratio), 1);
    const height = Math.max(Math.round(view.stage.clientHeight * ratio), 1);
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!scene || !view.shown) return;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.save();
    context.beginPath();
    context.rect(view.rect.x, view.rect.y, view.rect.w, view.rect.h);
    context.clip();
    for (const one of scene.detections) this._found(one, [2, 3], one === scene.hovered);
    for (const one of scene.identities) this._found(one, [], one === scene.hovered);
    for (const target of scene.targets) this._trail(scene.trails.get(target.id) ?? [], target);
    for (const target of scene.targets) this._target(target);
    if (scene.drawn) this._drawn(scene.drawn, scene.cursor);
    context.restore();
  }

  /** @param {Target} target */
  _target({ box, state, id, label }) {
    if (!box) return;
    const colour = lineColour(state);
    const look = LOOKS[state];
    const rect = this.view.toStage(box);
    this._outline(rect, colour, 2.5, look.dash);
    if (look.double && rect.w > 14 && rect.h > 14) {
      this._outline({ x: rect.x + 5, y: rect.y + 5, w: rect.w - 10, h: rect.h - 10 }, colour, 1.5, []);
    }
    this._plate(rect, `${named(id, label)}  ${state}`.trim(), DARK, colour, 13);
  }

  /** @param {Found} one @param {number[]} dash @param {boolean} hovered */
  _found({ box, id, label }, dash, hovered) {
    const rect = this.view.toStage(box);
    this._outline(rect, hovered ? PAPER : "rgba(255, 255, 255, 0.8)", hovered ? 2.5 : 1.25, hovered ? [] : dash);
    const words = named(id, hovered ? label : "");
    if (words) this._plate(rect, words, hovered ? PAPER : DARK, hovered ? "#101418" : PAPER, 12);
  }

  /** @param {import("./view.js").Rect} rect @param {string} colour @param {number} width @param {number[]} dash */
  _outline({ x, y, w, h }, colour, width, dash) {
    const { context } = this;
    // A dark line below makes it seen on any picture.
    for (const [style, line] of /** @type {[string, number][]} */ ([[DARK, width + 2], [colour, width]])) {
      context.strokeStyle = style;
      context.lineWidth = line;
      context.setLineDash(dash);
      context.lineCap = "butt";
      context.strokeRect(x, y, w, h);
    }
    context.setLineDash([]);
  }

  /** @param {[number, number][]} points @param {Target} target */
  _trail(points, { state }) {
    const { context, view } = this;
    context.strokeStyle = lineColour(state);
    context.lineWidth = 2;
    context.lineCap = "round";
    for (let index = 1; index < points.length; index += 1) {
      const from = view.toStage([...points[index - 1], 0, 0]);
      const to = view.toStage([...points[index], 0, 0]);
      context.globalAlpha = (0.8 * index) / points.length;
      context.beginPath();
      context.moveTo(from.x, from.y);
      context.lineTo(to.x, to.y);
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  /** Words above a box, or within it where the picture ends.
   * @param {import("./view.js").Rect} rect @param {string} words
   * @param {string} paper @param {string} ink @param {number} size
   */
  _plate(rect, words, paper, ink, size) {
    const { context, view } = this;
    context.font = `600 ${size}px -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif`;
    const width = context.measureText(words).width + 10;
    const height = size + 7;
    const { x: left, y: top, w, h } = view.rect;
    const x = Math.max(Math.min(rect.x - 2, left + w - width), left);
    const above = rect.y - height - 3;
    const y = Math.min(above >= top ? above : Math.max(rect.y + 3, top), top + h - height);
    context.fillStyle = paper;
    context.fillRect(x, y, width, height);
    context.fillStyle = ink;
    context.textBaseline = "middle";
    context.fillText(words, x + 5, y + height / 2 + 1);
  }

  /** @param {Box} box @param {boolean} cursor */
  _drawn(box, cursor) {
    const rect = this.view.toStage(box);
    this._outline(rect, PAPER, 2, cursor ? [8, 4] : []);
    const words = `${Math.round(box[2])} × ${Math.round(box[3])}${cursor ? "  Enter follows" : ""}`;
    this._plate(rect, words, PAPER, "#101418", 12);
    if (!cursor) return;
    const { context } = this;
    for (const x of [rect.x, rect.x + rect.w]) {
      for (const y of [rect.y, rect.y + rect.h]) {
        context.fillStyle = DARK;
        context.fillRect(x - 5, y - 5, 10, 10);
        context.fillStyle = PAPER;
        context.fillRect(x - 3.5, y - 3.5, 7, 7);
      }
    }
  }
}

/** @param {string} id @param {string} label */
function named(id, label) {
  const words = [id, label].filter(Boolean).join("  ");
  return words.length > LONGEST ? `${words.slice(0, LONGEST)} …` : words;
}
