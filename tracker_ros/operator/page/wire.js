// What comes from the server, read with care: it may be another version, or not the server at all.

/**
 * @typedef {[number, number, number, number]} Box left, top, width, height: pixels of the camera's image
 * @typedef {object} Target
 * @property {string} id
 * @property {string} label
 * @property {import("./states.js").State} state
 * @property {string} reason
 * @property {Box|null} box
 * @property {number|null} score
 *
 * @typedef {object} Status
 * @property {bigint} stamp
 * @property {Target[]} targets
 * @property {string} tracker
 * @property {string} model
 * @property {string} backend
 * @property {string} precision
 * @property {boolean} enabled
 * @property {Record<string, number|null>} counts received, processed, dropped, rejected, rate, frame_age
 * @property {[string, number][]} times seconds by stage
 *
 * @typedef {object} Found an identity or a detection
 * @property {string} id
 * @property {string} label
 * @property {number|null} score
 * @property {Box} box
 *
 * @typedef {object} Picture
 * @property {string} topic
 * @property {string} stamp nanoseconds
 * @property {number} width of the camera's image, whatever the size of the picture
 * @property {number} height
 * @property {number|null} age seconds from the stamp to the node, before it encodes; null: the clocks differ
 * @property {Blob} blob
 */

const MIMES = ["image/jpeg", "image/png", "image/webp"];
const MOST_HEADER = 4096;
const MOST_SIDE = 32768;

/** @param {unknown} value @returns {string} */
export const text = (value) => (typeof value === "string" ? value : "");

/** @param {unknown} value @returns {number|null} */
export const number = (value) => (typeof value === "number" && Number.isFinite(value) ? value : null);

/** @param {unknown} value @returns {any[]} */
export const list = (value) => (Array.isArray(value) ? value : []);

/** @param {unknown} value @returns {Record<string, any>} */
export const fields = (value) =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? /** @type {any} */ (value) : {};

/** @param {unknown} value @returns {bigint|null} nanoseconds */
export const stampOf = (value) =>
  typeof value === "string" && /^\d{1,19}$/.test(value) ? BigInt(value) : null;

/** @param {unknown} value @returns {Box|null} */
export function box(value) {
  const numbers = list(value).map(number);
  return numbers.length === 4 && numbers.every((one) => one !== null) ? /** @type {any} */ (numbers) : null;
}

/**
 * @param {Record<string, any>} message
 * @param {(name: unknown) => import("./states.js").State} stateOf
 * @returns {Status|null} null: it has no stamp
 */
export function readStatus(message, stateOf) {
  const stamp = stampOf(message.stamp);
  if (stamp === null) return null;
  const times = Object.entries(fields(message.times)).filter((entry) => number(entry[1]) !== null);
  /** @type {Record<string, number|null>} */
  const counts = {};
  for (const name of ["received", "processed", "dropped", "rejected", "rate", "frame_age"]) {
    counts[name] = number(message[name]);
  }
  return {
    stamp,
    targets: list(message.targets).map(fields).map((target) => ({
      id: text(target.id),
      label: text(target.label),
      state: stateOf(target.state),
      reason: text(target.reason),
      box: box(target.box),
      score: number(target.score),
    })),
    tracker: text(message.tracker),
    model: text(message.model),
    backend: text(message.backend),
    precision: text(message.precision),
    enabled: message.enabled !== false,
    counts,
    times: /** @type {[string, number][]} */ (times),
  };
}

/** @param {unknown} value @returns {Found[]} */
export function readFound(value) {
  return list(value).map(fields).flatMap((one) => {
    const place = box(one.box);
    return place ? [{ id: text(one.id), label: text(one.label), score: number(one.score), box: place }] : [];
  });
}

/**
 * A picture: four bytes that tell how long the header is, the header in JSON, the encoded image.
 * @param {ArrayBuffer} data
 * @returns {Picture}
 * @throws {Error} in words
 */
export function readPicture(data) {
  const size = data.byteLength > 4 ? new DataView(data).getUint32(0) : 0;
  if (size === 0 || size > MOST_HEADER || 4 + size >= data.byteLength) throw new Error("a picture without a header");
  const header = fields(JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, size))));
  const width = number(header.width) ?? 0;
  const height = number(header.height) ?? 0;
  if (!(width >= 1 && height >= 1 && width <= MOST_SIDE && height <= MOST_SIDE)) {
    throw new Error(`a picture of ${width}x${height} pixels`);
  }
  if (stampOf(header.stamp) === null) throw new Error("a picture without a stamp");
  const mime = text(header.mime);
  if (!MIMES.includes(mime)) throw new Error("a picture of a kind that is not known");
  const encoded = new Uint8Array(data, 4 + size);
  if (mime === "image/jpeg") forgetOrientation(encoded);
  return {
    topic: text(header.topic),
    stamp: header.stamp,
    width,
    height,
    age: number(header.age),
    blob: new Blob([encoded], { type: mime }),
  };
}

/**
 * Browsers turn a jpeg as its Exif says; the trackers do not, and boxes are in their pixels. Where
 * the mark "Exif" is gone, the picture is shown as it is stored.
 * @param {Uint8Array} jpeg changed in place
 */
function forgetOrientation(jpeg) {
  let at = 2;
  while (at + 10 < jpeg.length && jpeg[at] === 0xff) {
    const marker = jpeg[at + 1];
    if (marker === 0xda) return; // the pixels begin
    if (marker === 0xe1) jpeg.fill(0, at + 4, at + 8);
    at += 2 + jpeg[at + 2] * 256 + jpeg[at + 3];
  }
}
