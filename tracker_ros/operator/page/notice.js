// What lies over the picture when there is none, or none of now: why, since when, and what helps.

import { clock, duration } from "./messages.js";
import { byId } from "./panel.js";
import { write } from "./targets.js";

/**
 * @typedef {object} Situation
 * @property {import("./socket.js").Connection} connection
 * @property {string} why the connection is not open, in the server's words or ours
 * @property {number} since performance.now() when it was lost
 * @property {number} wait seconds until the next attempt, 0: it is being made
 * @property {boolean} topics whether there is any image topic
 */

/**
 * @param {Situation} now @param {import("./camera.js").Camera} camera
 * @returns {string} what screen readers are to be told of it: not what a message has told, nor any seconds
 */
export function showNotice(now, camera) {
  const { words, more, spoken = "" } = said(now, camera);
  byId("notice").hidden = !words;
  write(byId("notice-words"), words);
  write(byId("notice-more"), more);
  const form = byId("token-form");
  const asked = now.connection === "token";
  if (asked && form.hidden) {
    form.hidden = false;
    byId("token").focus();
  }
  form.hidden = !asked;
  byId("retry").hidden = now.connection !== "lost";
  const sends = now.connection !== "open" ? "unknown" : camera.gone ? "gone" : camera.shown ? "live" : "unknown";
  const { dataset } = document.body;
  if (dataset.connection !== now.connection) dataset.connection = now.connection;
  if (dataset.camera !== sends) dataset.camera = sends;
  return spoken;
}

/**
 * @param {Situation} now @param {import("./camera.js").Camera} camera
 * @returns {{words: string, more: string, spoken?: string}}
 */
function said({ connection, why, since, wait, topics }, { gone, shown, topic }) {
  if (connection === "token") return aloud("This page needs a token.", sentence(why));
  if (connection === "connecting") return { words: "Connecting …", more: "" };
  if (connection === "lost") {
    const ago = performance.now() - since;
    const again = wait > 0 ? `Trying again in ${wait} s.` : "Trying again …";
    return { words: `No connection since ${clock(ago)} (${duration(ago)})`, more: `${sentence(why)} ${again}` };
  }
  if (!topics && (gone || !topic)) return aloud("No camera.", "Nobody publishes images. The list fills by itself when somebody does.");
  if (gone) {
    const more = sentence(gone.words);
    if (gone.at === null) return aloud("No picture yet.", more);
    const ago = performance.now() - gone.at;
    const spoken = gone.alerted ? "" : "No picture comes any more.";
    return { words: `No picture since ${clock(ago)} (${duration(ago)})`, more, spoken };
  }
  return shown ? { words: "", more: "" } : { words: "Waiting for a picture …", more: topic };
}

/** @param {string} words @param {string} more */
const aloud = (words, more) => ({ words, more, spoken: `${words} ${more}` });

/** @param {string} words */
export function sentence(words) {
  if (!words) return "";
  const begun = words[0].toUpperCase() + words.slice(1);
  return /[.!?…]$/.test(begun) ? begun : `${begun}.`;
}
