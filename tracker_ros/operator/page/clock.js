// The node's clock, as far as pings tell of it: the time from a stamp to now, and how far it may be off.

/**
 * @typedef {object} Ping
 * @property {number} at performance.now() when its answer came
 * @property {number} trip ms there and back
 * @property {number} ahead ms that the node's clock is ahead of performance.now(), if both ways took as long
 *
 * @typedef {object} Latency
 * @property {number|null} ms null: not known
 * @property {number} off ms that it may be off: half of the trip, as one way may have taken all of it
 * @property {string} why it is not known
 */

const KEPT = 120_000; // ms; a link that is busy now had a quiet moment within these
const DRIFT = 100e-6; // two quartz clocks of 50 ppm
const TIMER = 2; // ms; browsers round what performance.now() says
/** @type {Latency} */
const NO_COMMON_CLOCK = Object.freeze({ ms: null, off: 0, why: "no common clock" });
/** @type {Latency} */
const NOT_KNOWN = Object.freeze({ ms: null, off: 0, why: "not known" });

export class Clock {
  constructor() {
    /** @type {Ping[]} */
    this._pings = [];
  }

  /** Another connection: it may be another node. */
  forget() {
    this._pings = [];
  }

  /** @param {number} left performance.now() of the ping @param {number} there the node's clock at its answer, ms */
  measure(left, there) {
    const at = performance.now();
    const trip = Math.max(at - left, 0);
    const ping = { at, trip, ahead: there - left - trip / 2 };
    // Two pings that contradict each other: a clock was set between them.
    const agrees = (/** @type {Ping} */ one) =>
      Math.abs(one.ahead - ping.ahead) <= off(one, at) + off(ping, at) + TIMER;
    this._pings = [...this._pings.filter((one) => at - one.at < KEPT && agrees(one)), ping];
  }

  /**
   * From the stamp of an image to now.
   * @param {string} stamp nanoseconds @param {number|null} age of the image by the node's clock, null: its stamp
   *     is of another one
   * @returns {Latency}
   */
  since(stamp, age) {
    if (age === null) return NO_COMMON_CLOCK;
    const now = performance.now();
    if (!this._pings.length) return NOT_KNOWN;
    const best = this._pings.reduce((a, b) => (off(b, now) < off(a, now) ? b : a));
    const may = off(best, now);
    const ms = now + best.ahead - Number(stamp) / 1e6;
    return ms < -may ? NOT_KNOWN : { ms: Math.max(ms, 0), off: may, why: "" };
  }
}

/** What a ping may be off by now. @param {Ping} ping @param {number} now */
const off = ({ at, trip }, now) => trip / 2 + (now - at) * DRIFT;
