// What was told of the images that were tracked, and what of it belongs to the picture on the screen.

import { Memory } from "./memory.js";

/**
 * @typedef {import("./wire.js").Found} Found
 * @typedef {import("./wire.js").Target} Target
 * @typedef {import("./wire.js").Box} Box
 */

const TRAIL = 3000; // ms
const TWICE = 0.5; // of the union of two boxes: they are of one thing

export class Told {
  constructor() {
    /** @type {Memory<import("./wire.js").Status>} */
    this.statuses = new Memory(2000);
    /** @type {Record<string, Memory<{stamp: bigint, boxes: Found[]}>>} */
    this._found = { identities: new Memory(1000), detections: new Memory(1000) };
  }

  clear() {
    for (const memory of [this.statuses, this._found.identities, this._found.detections]) memory.clear();
  }

  /** @param {import("./wire.js").Status} status */
  addStatus(status) {
    this.statuses.add(status);
  }

  /** @param {string} source @param {bigint} stamp @param {Found[]} boxes */
  addFound(source, stamp, boxes) {
    if (Object.hasOwn(this._found, source)) this._found[source].add({ stamp, boxes });
  }

  /** @param {bigint} stamp @returns {Target[]} */
  targets(stamp) {
    return this.statuses.of(stamp)?.targets ?? [];
  }

  /**
   * What else can be followed in the picture with this stamp.
   * @param {bigint|null} stamp
   * @param {{identities: boolean, detections: boolean, other: boolean}} wish other: another camera is shown
   */
  found(stamp, wish) {
    /** @param {"identities"|"detections"} source @returns {Found[]} */
    const of = (source) =>
      (stamp !== null && wish[source] && !wish.other && this._found[source].of(stamp)?.boxes) || [];
    return { identities: of("identities"), detections: of("detections") };
  }

  /** Where targets were, the oldest first. @param {bigint} stamp @param {Target[]} targets */
  trails(stamp, targets) {
    /** @type {Map<string, [number, number][]>} */
    const points = new Map(targets.map((target) => [target.id, []]));
    for (const status of points.size ? this.statuses.until(stamp, TRAIL) : []) {
      for (const { id, box, state } of status.targets) {
        if (box && state !== "LOST") points.get(id)?.push([box[0] + box[2] / 2, box[1] + box[3] / 2]);
      }
    }
    return points;
  }
}

/**
 * One box a thing: an identity that is followed is drawn as the target, and a detection of what has
 * a box is not drawn, unless the mouse is on it.
 * @param {{identities: Found[], detections: Found[]}} there @param {Target[]} targets @param {Found|null} hovered
 */
export function withoutTwice({ identities, detections }, targets, hovered) {
  const followed = new Set(targets.map((target) => target.id));
  const free = identities.filter((one) => one === hovered || !followed.has(one.id));
  const boxes = [...targets, ...identities].flatMap((one) => (one.box ? [one.box] : []));
  const others = detections.filter((one) => one === hovered || !boxes.some((box) => overlap(box, one.box) > TWICE));
  return { identities: free, detections: others };
}

/** Intersection over union. @param {Box} a @param {Box} b */
function overlap([ax, ay, aw, ah], [bx, by, bw, bh]) {
  const w = Math.min(ax + aw, bx + bw) - Math.max(ax, bx);
  const h = Math.min(ay + ah, by + bh) - Math.max(ay, by);
  if (w <= 0 || h <= 0) return 0;
  return (w * h) / (aw * ah + bw * bh - w * h);
}
