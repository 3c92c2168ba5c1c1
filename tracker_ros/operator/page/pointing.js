// Pointing at the picture: a box is dragged, a place is clicked, or a box is moved with the keys. What
// is asked for carries the stamp of the picture that was on the screen when it began, which is held
// while the operator draws: a late request means what the operator has seen.

/**
 * @typedef {import("./wire.js").Box} Box
 * @typedef {import("./wire.js").Found} Found
 * @typedef {import("./view.js").Shown} Shown
 *
 * @typedef {object} Listener
 * @property {(shown: Shown, box: Box) => void} box
 * @property {(shown: Shown, x: number, y: number, reach: number) => void} click reach: image pixels that a
 *     finger may be off
 * @property {(words: string) => void} say what the keys have done, for those who do not see it
 * @property {(words: string) => void} refuse
 * @property {() => void} changed the overlay has to be drawn
 * @property {(shown: Shown, thing: Found) => void} thing what was found is to be followed
 * @property {() => Found[]} found what can be followed in the picture; only identities have an id
 */

const CLICK = 6; // CSS px: who moves less has clicked
const SMALLEST = 2; // image px: the trackers refuse smaller sides
const KEYS_BOX = 0.22; // of the short side
const FINGER = 14; // CSS px
const SAID = 400; // ms

export class Pointing {
  /** @param {HTMLElement} surface @param {import("./view.js").View} view @param {Listener} listener */
  constructor(surface, view, listener) {
    this.surface = surface;
    this.view = view;
    this.listener = listener;
    /** The box that is being dragged. @type {Box|null} */
    this.dragged = null;
    /** The box that the keys move. @type {Box|null} */
    this.cursor = null;
    /** Where the mouse is, window pixels. @type {{x: number, y: number}|null} */
    this.mouse = null;
    /** @type {{id: number, x: number, y: number, place: {x: number, y: number}, shown: Shown, moved: boolean}|null} */
    this._press = null;
    /** The picture that the keys' box belongs to, where one is held. @type {Shown|null} */
    this._kept = null;
    this._candidate = -1;
    /** What the keys' box is round. @type {Found|null} */
    this._thing = null;
    this._later = 0;
    surface.addEventListener("pointerdown", (event) => this._down(event));
    surface.addEventListener("pointermove", (event) => this._move(event));
    surface.addEventListener("pointerup", (event) => this._up(event));
    surface.addEventListener("pointercancel", (event) => event.pointerId === this._press?.id && this.drop());
    surface.addEventListener("lostpointercapture", (event) => event.pointerId === this._press?.id && this.drop());
    surface.addEventListener("pointerleave", () => this._hover(null));
    surface.addEventListener("contextmenu", (event) => this._press && event.preventDefault());
    surface.addEventListener("keydown", (event) => this._key(event));
  }

  /** Whether the picture stands still for the operator. */
  get holding() {
    return this._press !== null || this._kept !== null;
  }

  /** Forget what has been begun. */
  drop() {
    this._press = null;
    this.dragged = null;
    this.cursor = null;
    this._kept = null;
    this._candidate = -1;
    this._thing = null;
    this.view.release();
    this.listener.changed();
  }

  /** @param {PointerEvent} event */
  _down(event) {
    if (this._press) {
      this.drop(); // a second finger: the page is zoomed
      return;
    }
    if (event.button !== 0 || !event.isPrimary) return;
    const shown = this._kept ?? this.view.hold();
    if (!shown) {
      this.listener.refuse("There is no picture to point at yet.");
      return;
    }
    const { clientX: x, clientY: y } = event;
    this.cursor = null;
    this._press = { id: event.pointerId, x, y, place: this.view.toImage(x, y), shown, moved: false };
    this.surface.setPointerCapture(event.pointerId);
    this.listener.changed();
  }

  /** @param {PointerEvent} event */
  _move(event) {
    const press = this._press;
    if (!press) {
      this._hover(event.pointerType === "touch" ? null : { x: event.clientX, y: event.clientY });
      return;
    }
    if (event.pointerId !== press.id) return;
    press.moved ||= Math.hypot(event.clientX - press.x, event.clientY - press.y) >= CLICK;
    if (!press.moved) return;
    const from = within(press.place, press.shown);
    const to = within(this.view.toImage(event.clientX, event.clientY), press.shown);
    this.dragged = [
      Math.min(from.x, to.x), Math.min(from.y, to.y), Math.abs(from.x - to.x), Math.abs(from.y - to.y),
    ];
    this.listener.changed();
  }

  /** @param {PointerEvent} event */
  _up(event) {
    const press = this._press;
    if (!press || event.pointerId !== press.id) return;
    this._move(event);
    const box = this.dragged;
    this.drop();
    const { place, shown } = press;
    if (!press.moved) {
      if (place.x < 0 || place.y < 0 || place.x >= shown.width || place.y >= shown.height) {
        this.listener.refuse("That is beside the picture.");
        return;
      }
      const reach = event.pointerType === "mouse" ? 0 : FINGER / this.view.scale;
      this.listener.click(shown, rounded(place.x), rounded(place.y), reach);
    } else if (box) this._send(shown, box);
  }

  /** @param {{x: number, y: number}|null} place */
  _hover(place) {
    if (!place && !this.mouse) return;
    this.mouse = place;
    this.listener.changed();
  }

  /** @param {Shown} shown @param {Box} box */
  _send(shown, box) {
    if (box[2] < SMALLEST || box[3] < SMALLEST) {
      const size = `${box[2].toFixed(1)} × ${box[3].toFixed(1)}`;
      this.listener.refuse(`The box is too small: ${size} pixels of the image; draw at least ${SMALLEST} × ${SMALLEST}.`);
      return;
    }
    this.listener.box(shown, /** @type {Box} */ (box.map(rounded)));
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = ARROWS[event.key];
    const shown = this._kept ?? this.view.shown;
    if (event.key === "Escape") {
      if (!this.cursor && !this.holding) return;
      this.drop();
      this._say("Box dropped.");
    } else if (!arrow && !["Enter", " ", "n", "N"].includes(event.key)) return;
    else if (!shown) this.listener.refuse("There is no picture to point at yet.");
    else if (arrow) this._steer(arrow, event, shown);
    else if (event.key === "Enter") this._enter(shown);
    else if (event.key === " ") this._keep();
    else this._next();
    event.preventDefault();
    this.listener.changed();
  }

  /** @param {[number, number]} arrow @param {KeyboardEvent} event @param {Shown} shown */
  _steer([right, down], event, shown) {
    const step = Math.max(Math.min(shown.width, shown.height) / 100, 1) * (event.repeat ? 3 : 1);
    const box = this.cursor ?? middle(shown);
    this._candidate = -1;
    this._thing = null;
    this._kept ??= this.view.hold(); // what is in the box is not to leave it meanwhile
    let [x, y, w, h] = box;
    if (event.shiftKey) {
      w = Math.min(Math.max(w + right * step, SMALLEST), shown.width - x);
      h = Math.min(Math.max(h + down * step, SMALLEST), shown.height - y);
    } else if (this.cursor) {
      x = Math.min(Math.max(x + right * step, 0), shown.width - w);
      y = Math.min(Math.max(y + down * step, 0), shown.height - h);
    }
    this.cursor = [x, y, w, h];
    this._say(spoken(this.cursor));
  }

  /** @param {Shown} shown */
  _enter(shown) {
    const box = this.cursor;
    if (!box) {
      this._kept ??= this.view.hold();
      this.cursor = middle(shown);
      this._say(`${spoken(this.cursor)} Arrows move it, with Shift they resize it. Enter follows what is in it.`);
      return;
    }
    const thing = this._thing;
    this.drop();
    if (thing?.id) this.listener.thing(shown, thing);
    else this._send(shown, box);
  }

  /** Hold the picture, or let it go on. */
  _keep() {
    if (this._kept) {
      this._kept = null;
      this.view.release();
      this._say("The picture goes on.");
    } else {
      this._kept = this.view.hold();
      this._say("The picture is held.");
    }
  }

  /** Put the keys' box round the next thing that can be followed; the picture is held for it. */
  _next() {
    const sorted = this.listener.found().sort((a, b) => a.box[0] - b.box[0]);
    if (!sorted.length) {
      this._say("Nothing is detected in this picture.");
      return;
    }
    this._kept ??= this.view.hold();
    this._candidate = (this._candidate + 1) % sorted.length;
    const one = sorted[this._candidate];
    this.cursor = [...one.box];
    this._thing = one;
    const name = [one.id, one.label].filter(Boolean).join(", ") || "a detection";
    this._say(`${this._candidate + 1} of ${sorted.length}: ${name}. ${spoken(one.box)}`);
  }

  /** @param {string} words */
  _say(words) {
    clearTimeout(this._later);
    this._later = setTimeout(() => this.listener.say(words), SAID); // keys repeat; the last word is enough
  }
}

/** A hundredth of a pixel is enough. @param {number} value */
const rounded = (value) => Math.round(value * 100) / 100;

/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** @param {{x: number, y: number}} place @param {Shown} shown */
function within({ x, y }, { width, height }) {
  return { x: Math.min(Math.max(x, 0), width), y: Math.min(Math.max(y, 0), height) };
}

/** @param {Shown} shown @returns {Box} */
function middle({ width, height }) {
  const side = Math.min(width, height) * KEYS_BOX;
  return [(width - side) / 2, (height - side) / 2, side, side];
}

/** @param {Box} box */
function spoken([x, y, w, h]) {
  const [left, top, wide, high] = [x, y, w, h].map(Math.round);
  return `Box of ${wide} by ${high} pixels, ${left} from the left, ${top} from the top.`;
}
