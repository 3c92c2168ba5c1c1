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
 * @property {string} topic that is watched
 * @property {boolean} shown whether there is a picture
 * @property {{words: string, at: number|null}|null} camera null: it sends; at: performance.now() of its last image
 */

/** @param {Situation} now */
export function showNotice(now) {
  const { words, more } = said(now);
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
  const camera = now.connection !== "open" ? "unknown" : now.camera ? "gone" : now.shown ? "live" : "unknown";
  const { dataset } = document.body;
  if (dataset.connection !== now.connection) dataset.connection = now.connection;
  if (dataset.camera !== camera) dataset.camera = camera;
}

/** @param {Situation} now @returns {{words: string, more: string}} */
function said({ connection, why, since, wait, topics, topic, shown, camera }) {
  if (connection === "token") return { words: "This page needs a token.", more: sentence(why) };
  if (connection === "connecting") return { words: "Connecting …", more: "" };
  if (connection === "lost") {
    const ago = performance.now() - since;
    const again = wait > 0 ? `Trying again in ${wait} s.` : "Trying again …";
    return { words: `No connection since ${clock(ago)} (${duration(ago)})`, more: `${sentence(why)} ${again}` };
  }
  if (!topics) return { words: "No camera.", more: "Nobody publishes images. The list fills by itself when somebody does." };
  if (camera) {
    if (camera.at === null) return { words: "No picture yet.", more: sentence(camera.words) };
    const ago = performance.now() - camera.at;
    return { words: `No picture since ${clock(ago)} (${duration(ago)})`, more: sentence(camera.words) };
  }
  return shown ? { words: "", more: "" } : { words: "Waiting for the first picture …", more: topic };
}

/** @param {string} words */
export function sentence(words) {
  if (!words) return "";
  const begun = words[0].toUpperCase() + words.slice(1);
  return /[.!?…]$/.test(begun) ? begun : `${begun}.`;
}
