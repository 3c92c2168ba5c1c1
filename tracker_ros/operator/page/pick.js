// What is under a point of the picture.

/** @typedef {import("./wire.js").Found} Found */

/**
 * The identity or detection that a click means: the smallest under it, and of an identity and a
 * detection of the same thing the identity.
 * @param {Found[]} identities @param {Found[]} detections
 * @param {number} x image pixels @param {number} y
 * @param {number} reach how far beside a box still counts
 * @returns {{found: Found, identity: boolean}|null}
 */
export function pick(identities, detections, x, y, reach) {
  const identity = smallest(identities.filter((one) => one.id), x, y, reach);
  const detection = smallest(detections, x, y, reach);
  if (identity && !(detection && area(detection) < area(identity) / 2)) return { found: identity, identity: true };
  return detection ? { found: detection, identity: false } : null;
}

/** @param {Found[]} found @param {number} x @param {number} y @param {number} reach */
function smallest(found, x, y, reach) {
  const hit = found.filter(({ box }) => inside(box, x, y, 0));
  const near = hit.length ? hit : found.filter(({ box }) => inside(box, x, y, reach));
  return near.length ? near.reduce((a, b) => (area(b) < area(a) ? b : a)) : null;
}

/** @param {import("./wire.js").Box} box @param {number} px @param {number} py @param {number} reach */
function inside([x, y, w, h], px, py, reach) {
  return px >= x - reach && py >= y - reach && px <= x + w + reach && py <= y + h + reach;
}

/** @param {Found} found */
const area = ({ box }) => box[2] * box[3];

/** The place within a box that is nearest. @param {import("./wire.js").Box} box @param {number} x @param {number} y */
export function within([left, top, w, h], x, y) {
  return { x: clamped(x, left + w / 100, left + w * 0.99), y: clamped(y, top + h / 100, top + h * 0.99) };
}

/** @param {number} value @param {number} least @param {number} most */
const clamped = (value, least, most) => Math.min(Math.max(value, least), most);
