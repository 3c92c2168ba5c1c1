// What pointing at the picture asks for: with the label that is written beside it, and for the target
// that is to be pointed anew.

import { byId } from "./panel.js";
import { pick, within } from "./pick.js";
import { write } from "./targets.js";

/**
 * @typedef {import("./wire.js").Box} Box
 * @typedef {import("./wire.js").Found} Found
 * @typedef {import("./view.js").Shown} Shown
 */

const HINT = byId("hint").textContent ?? "";

export class Requests {
  /**
   * @param {import("./actions.js").Ask} ask
   * @param {import("./targets.js").Targets} targets
   * @param {(stamp: string) => {identities: Found[], detections: Found[]}} found what the picture shows
   * @param {(words: string) => void} refuse
   */
  constructor(ask, targets, found, refuse) {
    this.ask = ask;
    this.targets = targets;
    this.found = found;
    this.refuse = refuse;
    this.label = /** @type {HTMLInputElement} */ (byId("label"));
  }

  /** @param {Shown} shown @param {Box} box */
  async box({ topic, stamp }, box) {
    const id = this.targets.pointed;
    const label = this.label.value.trim();
    const request = { type: "set_target", topic, stamp, box, id, label };
    if (!(await this.ask(request, "Asking to follow the box …", "Not followed"))) return;
    // What the operator has written or chosen meanwhile is for the next one.
    if (this.label.value.trim() === label) this.label.value = "";
    if (this.targets.pointed === id) this.point("");
  }

  /** @param {Shown} shown @param {number} x @param {number} y @param {number} reach */
  click(shown, x, y, reach) {
    const there = this.found(shown.stamp);
    const hit = pick(there.identities, there.detections, x, y, reach);
    if (hit && (hit.identity || this.targets.pointed)) this.thing(shown, hit.found);
    else if (this.targets.pointed) {
      this.refuse(`Drag a box round target ${this.targets.pointed}: nothing is detected at that place.`);
    } else {
      const at = hit ? within(hit.found.box, x, y) : { x, y }; // a finger may be beside the box
      const { topic, stamp } = shown;
      void this.ask({ type: "click", topic, stamp, ...at }, "Asking to follow what is there …", "Not followed");
    }
  }

  /** Follow what was found, or point a target anew at it. @param {Shown} shown @param {Found} one */
  thing(shown, one) {
    if (one.id && !this.targets.pointed) this.follow(one.id);
    else void this.box(shown, one.box);
  }

  /** @param {string} id of an identity */
  follow(id) {
    void this.ask({ type: "follow", id }, `Asking to follow ${id} …`, "Not followed");
  }

  /** The next box is for this target. @param {string} id empty: a new one */
  point(id) {
    this.targets.point(id);
    write(byId("hint"), id ? `Drag a box round target ${id}.` : HINT);
  }
}
