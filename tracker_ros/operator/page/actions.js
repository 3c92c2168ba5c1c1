// What the operator asks for, and the answers in words.

import { sentence } from "./notice.js";
import { byId } from "./panel.js";

/**
 * @typedef {(request: object, busy: string, refused: string) => Promise<boolean>} Ask
 * busy: what is said until the answer; refused: how a refusal begins; gives whether it was done
 */

/**
 * @param {import("./socket.js").Connected} socket @param {import("./messages.js").Messages} messages
 * @returns {Ask}
 */
export function asker(socket, messages) {
  return async (request, busy, refused) => {
    messages.busy(busy);
    const answer = await socket.request(request);
    if (answer.ok) messages.good(sentence(answer.message || "done"));
    else messages.bad(`${refused}: ${answer.message ? sentence(answer.message) : "the node does not say why."}`);
    return answer.ok;
  };
}

/** The buttons below the picture. @param {Ask} ask */
export function actions(ask) {
  const { dataset } = document.body;
  byId("clear").addEventListener("click", () => void ask({ type: "clear" }, "Asking to end all targets …", "Not cleared"));
  byId("enable").addEventListener("click", () => {
    const on = dataset.enabled === "false";
    void ask({ type: "enable", on }, on ? "Asking to go on …" : "Asking to pause …", on ? "Still paused" : "Not paused");
  });
  byId("record").addEventListener("click", () => {
    const on = dataset.recording !== "on";
    void ask({ type: "record", on }, on ? "Asking to record …" : "Ending the recording …", on ? "Not recording" : "Not ended");
  });
}
