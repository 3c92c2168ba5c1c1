// The camera's picture: of those that come, the newest is decoded and drawn, as large as the stage
// allows, with its stamp; and what is on the screen can be held while the operator points at it.

/**
 * @typedef {object} Shown
 * @property {string} topic
 * @property {string} stamp
 * @property {number} width pixels of the camera's image
 * @property {number} height
 *
 * @typedef {object} Rect
 * @property {number} x CSS pixels from the left of the stage
 * @property {number} y
 * @property {number} w
 * @property {number} h
 *
 * @typedef {object} Listener
 * @property {(stamp: string) => void} done a picture was shown, or a newer one replaced it
 * @property {(latency: import("./clock.js").Latency) => void} shown from stamp to pixels
 * @property {() => void} drawn something on the stage has changed: the overlay has to
 * @property {(words: string) => void} trouble
 */

export class View {
  /**
   * @param {HTMLElement} stage
   * @param {HTMLCanvasElement} canvas
   * @param {import("./clock.js").Clock} clock
   * @param {Listener} listener
   */
  constructor(stage, canvas, clock, listener) {
    this.stage = stage;
    this.canvas = canvas;
    this.clock = clock;
    this.listener = listener;
    /** What is on the screen. @type {Shown|null} */
    this.shown = null;
    /** performance.now() when the picture was held; 0: it goes on. */
    this.heldAt = 0;
    /** Where it is. @type {Rect} */
    this.rect = { x: 0, y: 0, w: 0, h: 0 };
    /** Only its pictures are shown. */
    this.topic = "";
    /** @type {import("./wire.js").Picture|null} */
    this._next = null;
    this._busy = false;
    // Takes the decoded picture as it is; the browser scales it where it composes the page.
    this._context = /** @type {ImageBitmapRenderingContext} */ (canvas.getContext("bitmaprenderer"));
    const observer = new ResizeObserver(() => this._place());
    observer.observe(stage);
    // Another zoom or another screen changes the pixels of a stage that keeps its size.
    window.addEventListener("resize", () => this._place());
  }

  /** @param {import("./wire.js").Picture} picture */
  offer(picture) {
    if (picture.topic !== this.topic) {
      this.listener.done(picture.stamp);
      return;
    }
    if (this._next) this.listener.done(this._next.stamp);
    this._next = picture;
    this._go();
  }

  /** Keep what is on the screen, until `release`. */
  hold() {
    if (this.shown && !this.heldAt) this.heldAt = performance.now();
    return this.shown;
  }

  release() {
    this.heldAt = 0;
    this._go();
  }

  /** Show nothing but pictures of this topic from now on. @param {string} topic */
  watch(topic) {
    if (topic === this.topic) return;
    this.topic = topic;
    this.heldAt = 0;
    this._next = null;
    this._context.transferFromImageBitmap(null);
    this.shown = null;
    delete this.canvas.dataset.stamp;
    this.canvas.dataset.latency = "";
    this._place();
  }

  /** Pixels of the camera's image at a place of the window. @param {number} x @param {number} y */
  toImage(x, y) {
    const { left, top } = this.stage.getBoundingClientRect();
    const { width, height } = this.shown ?? { width: 0, height: 0 };
    const { rect } = this;
    return {
      x: ((x - left - this.stage.clientLeft - rect.x) / (rect.w || 1)) * width,
      y: ((y - top - this.stage.clientTop - rect.y) / (rect.h || 1)) * height,
    };
  }

  /** CSS pixels for a pixel of the image. */
  get scale() {
    return this.shown && this.rect.w ? this.rect.w / this.shown.width : 1;
  }

  /** @param {import("./wire.js").Box} box @returns {Rect} on the stage */
  toStage([x, y, w, h]) {
    const { rect, scale } = this;
    return { x: rect.x + x * scale, y: rect.y + y * scale, w: w * scale, h: h * scale };
  }

  async _go() {
    const picture = this._next;
    if (this._busy || this.heldAt || !picture) return;
    this._next = null;
    this._busy = true;
    try {
      const bitmap = await createImageBitmap(picture.blob);
      await frame();
      if (this.heldAt || picture.topic !== this.topic) {
        bitmap.close();
        this.listener.done(picture.stamp);
      } else this._show(picture, bitmap);
    } catch {
      if (picture.topic === this.topic) this.listener.trouble("A picture could not be decoded.");
      this.listener.done(picture.stamp);
    }
    this._busy = false;
    this._go();
  }

  /** @param {import("./wire.js").Picture} picture @param {ImageBitmap} bitmap */
  _show(picture, bitmap) {
    this._context.transferFromImageBitmap(bitmap);
    const { topic, stamp, width, height } = picture;
    const before = this.shown;
    this.shown = { topic, stamp, width, height };
    this.canvas.dataset.stamp = stamp;
    if (before?.width !== width || before.height !== height) {
      this.stage.style.setProperty("--aspect", `${width} / ${height}`);
    }
    this._place();
    void this._measure(picture); // while the next one is decoded
  }

  /** @param {import("./wire.js").Picture} picture that was drawn just now */
  async _measure(picture) {
    await frame(); // what was drawn before is on the screen now
    this.listener.done(picture.stamp);
    const latency = this.clock.since(picture.stamp, picture.age);
    if (this.shown?.stamp === picture.stamp && this.shown.topic === picture.topic) {
      this.canvas.dataset.latency = latency.ms === null ? "" : latency.ms.toFixed(1);
      this.listener.shown(latency);
    }
  }

  /** Put the picture into the stage; the size of either may be another. */
  _place() {
    const { clientWidth, clientHeight } = this.stage;
    const { width, height } = this.shown ?? { width: 4, height: 3 };
    const fit = Math.min(clientWidth / width, clientHeight / height);
    const [w, h] = [width * fit, height * fit];
    const rect = { x: (clientWidth - w) / 2, y: (clientHeight - h) / 2, w, h };
    if (JSON.stringify(rect) !== JSON.stringify(this.rect)) {
      this.rect = rect;
      const { style } = this.canvas;
      [style.left, style.top] = [`${rect.x}px`, `${rect.y}px`];
      [style.width, style.height] = [`${w}px`, `${h}px`];
    }
    this.listener.drawn();
  }
}

/** The next time that the screen is drawn; in a hidden page soon, where nothing is drawn. */
function frame() {
  return new Promise((resolve) => {
    const late = setTimeout(resolve, 250);
    requestAnimationFrame(() => {
      clearTimeout(late);
      resolve(undefined);
    });
  });
}
