// What was told of the last images, by stamp. A slow link brings pictures later than words: the boxes
// that are drawn on a picture are those of its own stamp, or the last ones before it.

const KEPT = 240;
const JUMP = 500_000_000n; // a bag has begun again

/** @template {{stamp: bigint}} Told */
export class Memory {
  /** @param {number} patience ms that what is drawn may be older than the picture */
  constructor(patience) {
    this.patience = BigInt(patience) * 1_000_000n;
    /** The oldest first. @type {Told[]} */
    this.all = [];
  }

  /** @param {Told} told */
  add(told) {
    const last = this.all[this.all.length - 1];
    if (last && told.stamp < last.stamp) {
      if (last.stamp - told.stamp < JUMP) return; // overtaken on its way
      this.all = [];
    }
    if (last?.stamp === told.stamp) this.all.pop();
    this.all.push(told);
    if (this.all.length > KEPT) this.all.splice(0, this.all.length - KEPT);
  }

  clear() {
    this.all = [];
  }

  /** What belongs to a picture, or null. @param {bigint} stamp @returns {Told|null} */
  of(stamp) {
    const told = this.all[this._before(stamp)];
    return told && stamp - told.stamp <= this.patience ? told : null;
  }

  /** What was told in the time up to a picture, the oldest first. @param {bigint} stamp @param {number} ms */
  until(stamp, ms) {
    const end = this._before(stamp) + 1;
    const since = stamp - BigInt(ms) * 1_000_000n;
    let begin = end;
    while (begin > 0 && this.all[begin - 1].stamp >= since) begin -= 1;
    return this.all.slice(begin, end);
  }

  /** @param {bigint} stamp */
  _before(stamp) {
    let index = this.all.length - 1;
    while (index >= 0 && this.all[index].stamp > stamp) index -= 1;
    return index;
  }
}
