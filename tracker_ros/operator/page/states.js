// The states of a target: their names, what they mean in words, and how they are drawn. A state is
// told by words, by colour and by line, so that no eye and no print of the page loses it. The
// colours themselves stand in style.css, as --tracking and --tracking-line.

/**
 * @typedef {"TENTATIVE"|"TRACKING"|"UNCERTAIN"|"LOST"|"REACQUIRED"|"ENDED"|"UNKNOWN"} State
 * @typedef {object} Look
 * @property {string} words what it means
 * @property {number[]} dash of the box's outline, in CSS pixels; empty: a solid line
 * @property {boolean} double whether a second line runs inside the first
 * @property {number} height of the timeline's strip, 0 to 1
 */

/** @type {Readonly<Record<State, Look>>} */
export const LOOKS = Object.freeze({
  TENTATIVE: { words: "just set", dash: [2, 4], double: false, height: 0.6 },
  TRACKING: { words: "seen", dash: [], double: false, height: 1 },
  UNCERTAIN: { words: "weak evidence", dash: [12, 5], double: false, height: 0.5 },
  LOST: { words: "not seen", dash: [5, 7], double: false, height: 0.22 },
  REACQUIRED: { words: "seen again", dash: [], double: true, height: 0.8 },
  ENDED: { words: "ended", dash: [1, 9], double: false, height: 0 },
  UNKNOWN: { words: "nothing heard", dash: [1, 9], double: false, height: 0 },
});

/** States that a target on the picture has, in the order of the key. @type {State[]} */
const DRAWN = ["TRACKING", "REACQUIRED", "UNCERTAIN", "TENTATIVE", "LOST"];

/**
 * A state that the server names, or UNKNOWN for any other word.
 * @param {unknown} name
 * @returns {State}
 */
export function stateOf(name) {
  return typeof name === "string" && Object.hasOwn(LOOKS, name) ? /** @type {State} */ (name) : "UNKNOWN";
}

/**
 * The colour of a state on a picture, which does not change with dark and light.
 * @param {State} state
 */
export function lineColour(state) {
  let colour = colours.get(state);
  if (!colour) {
    const style = getComputedStyle(document.documentElement);
    colour = style.getPropertyValue(`--${state.toLowerCase()}-line`).trim() || "#ffffff";
    colours.set(state, colour);
  }
  return colour;
}

/** @type {Map<State, string>} */
const colours = new Map();

const SVG = "http://www.w3.org/2000/svg";

/** The key to colours and lines. @param {HTMLElement} list */
export function fillKey(list) {
  for (const state of DRAWN) {
    const item = document.createElement("li");
    item.append(swatch(state), document.createTextNode(state));
    item.title = LOOKS[state].words;
    list.append(item);
  }
}

/**
 * A small drawing of a state's line, for lists and keys.
 * @param {State} state
 */
export function swatch(state) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "swatch");
  svg.setAttribute("viewBox", "0 0 28 16");
  svg.setAttribute("aria-hidden", "true");
  const look = LOOKS[state];
  for (const inset of look.double ? [1.5, 5.5] : [2]) {
    const rect = document.createElementNS(SVG, "rect");
    const values = { x: inset, y: inset, width: 28 - 2 * inset, height: 16 - 2 * inset };
    for (const [name, value] of Object.entries(values)) rect.setAttribute(name, String(value));
    rect.setAttribute("class", `line ${state.toLowerCase()}`);
    rect.setAttribute("stroke-dasharray", look.dash.map((part) => part * 0.75).join(" ") || "none");
    svg.append(rect);
  }
  return svg;
}
