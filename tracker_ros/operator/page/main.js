// The operator's page: brings what the server tells to the parts that show it, and what the operator
// does to the server.

import { actions, asker } from "./actions.js";
import { Announcer } from "./announcer.js";
import { Camera } from "./camera.js";
import { clock, duration, Messages } from "./messages.js";
import { sentence, showNotice } from "./notice.js";
import { Overlay } from "./overlay.js";
import { byId, Panel } from "./panel.js";
import { pick } from "./pick.js";
import { Pointing } from "./pointing.js";
import { Requests } from "./requests.js";
import { Connected } from "./socket.js";
import { fillKey, stateOf } from "./states.js";
import { Targets, write } from "./targets.js";
import { Told, withoutTwice } from "./told.js";
import { Timeline } from "./timeline.js";
import { keep, kept, tokenOfAddress } from "./token.js";
import { Topics, Trackers } from "./choices.js";
import { View } from "./view.js";
import { fields, readFound, readPicture, readStatus, stampOf, text } from "./wire.js";

const SECOND = 1000;

const stage = byId("stage");
const messages = new Messages(byId("bar"), byId("log"));
const announcer = new Announcer(byId("said"));
const camera = new Camera(messages);
const panel = new Panel((words) => announcer.say(words));
const timeline = new Timeline(byId("timeline"), byId("timeline-empty"));
const told = new Told();
/** @type {import("./notice.js").Situation} */
const now = { connection: "connecting", why: "", since: performance.now(), wait: 0, topics: true };

let heardAt = performance.now();

const socket = new Connected(tokenOfAddress() ?? kept("token"), {
  connection: connected,
  waiting(seconds) {
    now.wait = seconds;
    notice();
  },
  message(message) {
    try {
      take(message);
    } catch (error) {
      console.error(error);
      messages.bad("The server has said something that this page does not understand: load the page again.");
    }
  },
  picture(data) {
    try {
      const picture = readPicture(data);
      camera.picture(picture.topic);
      view.offer(picture);
    } catch (error) {
      messages.bad(`The server has sent ${error instanceof Error ? error.message : "a broken picture"}.`);
    }
  },
});

const ask = asker(socket, messages);
actions(ask);

const view = new View(stage, /** @type {HTMLCanvasElement} */ (byId("picture")), socket.clock, {
  done: (stamp) => socket.send({ type: "shown", stamp }),
  shown: (latency) => {
    panel.picture(latency);
    if (camera.shown) return;
    camera.shown = true;
    notice();
  },
  drawn: () => draw(),
  trouble: (words) => messages.bad(words),
});

const overlay = new Overlay(/** @type {HTMLCanvasElement} */ (byId("overlay")), view);

const targets = new Targets(byId("targets"), byId("found"), byId("found-box"), {
  follow: (id) => requests.follow(id),
  again: (id) => requests.point(id),
});

const requests = new Requests(ask, targets, (stamp) => told.found(stampOf(stamp), wished()), (words) => messages.bad(words));

const pointing = new Pointing(stage, view, {
  box: (shown, box) => void requests.box(shown, box),
  click: (shown, x, y, reach) => requests.click(shown, x, y, reach),
  thing: (shown, one) => requests.thing(shown, one),
  say: (words) => write(byId("keys-said"), words),
  refuse: (words) => messages.bad(words),
  changed: drawSoon,
  found: () => {
    const there = told.found(stampOf(view.shown?.stamp), wished());
    return [...there.identities, ...there.detections.map((one) => ({ ...one, id: "" }))];
  },
});

const topics = new Topics(byId("topic"), kept("topic"), watch);
const trackers = new Trackers(byId("tracker"), (name) => ask({ type: "tracker", name }, `Asking for ${name} …`, "Not changed"));

/** @param {import("./socket.js").Connection} state @param {string} words */
function connected(state, words) {
  if (state !== "open" && now.connection === "open") now.since = performance.now();
  if (state === "lost" && now.connection === "open") {
    pointing.drop();
    panel.health([]);
    messages.bad(`Connection lost: ${sentence(words)} Trying again.`);
  }
  if (state === "open" && now.connection === "lost") messages.good(`Connected again at ${clock()}.`);
  Object.assign(now, { connection: state, why: words, wait: 0 });
  const pill = { connecting: "Connecting", open: "Connected", lost: "No connection", token: "Token needed" };
  write(byId("connection-words"), pill[state]);
  const controls = document.querySelectorAll(".actions button, .top select");
  for (const control of controls) /** @type {HTMLButtonElement} */ (control).disabled = state !== "open";
  notice();
}

/** @param {Record<string, any>} message */
function take(message) {
  if (message.type === "status") tracked(message);
  else if (message.type === "boxes") {
    const stamp = stampOf(message.stamp);
    if (stamp !== null) told.addFound(text(message.source), stamp, readFound(message.boxes));
    drawSoon();
  } else if (message.type === "health") panel.health(message.items);
  else if (message.type === "camera") {
    camera.take(message);
    notice();
  }
  else if (message.type === "topics") choose(message);
  else if (message.type === "recording") panel.recording(message);
  else if (message.type === "trouble") messages.bad(sentence(text(message.message)));
  else if (message.type === "welcome") welcome(message);
}

/** @param {Record<string, any>} message */
function welcome(message) {
  told.clear();
  targets.show([]);
  heardAt = performance.now();
  panel.take(null);
  timeline.restore(message.timeline);
  write(byId("node"), text(message.node));
  trackers.offer(message.trackers);
  if (message.recording) panel.recording(fields(message.recording));
  if (message.health) panel.health(message.health);
  if (message.status) tracked(fields(message.status));
  camera.forget();
  choose(message);
  watch(topics.chosen);
}

/** @param {Record<string, any>} message */
function tracked(message) {
  const status = readStatus(message, stateOf);
  if (!status) return;
  heardAt = performance.now();
  if (message.of_image !== false) told.addStatus(status); // one between images has the node's time
  targets.show(status.targets);
  announcer.states(status.targets);
  timeline.add(status.targets);
  panel.take(status);
  trackers.runs(status.tracker);
  write(byId("enable"), status.enabled ? "Pause" : "Go on");
  document.body.dataset.enabled = String(status.enabled);
  aside();
  drawSoon();
}

/** @param {Record<string, any>} message */
function choose(message) {
  const was = topics.there;
  topics.offer(message.topics, text(message.tracker_topic));
  now.topics = topics.any;
  // A server that did not know the topic has not begun to send it.
  if (topics.chosen !== camera.topic || (topics.there && !was)) watch(topics.chosen);
  aside();
  notice();
}

/** @param {string} topic */
function watch(topic) {
  if (topic !== camera.topic) {
    pointing.drop();
    view.watch(topic);
    keep("topic", topics.wish);
  }
  camera.watch(topic, !document.hidden);
  socket.send({ type: "watch", topic: document.hidden || !topic ? null : topic });
  aside();
  notice();
}

function notice() {
  announcer.changed("notice", showNotice(now, camera));
}

/** What is to be known beside the picture: that it is not the one that is tracked, or nothing is. */
function aside() {
  const paused = document.body.dataset.enabled === "false";
  const other = topics.other;
  const silent = performance.now() - heardAt;
  const words =
    now.connection !== "open" ? ""
    : silent > camera.patience ? `Nothing heard of the tracker for ${duration(silent)}.`
    : other ? `To look at only. What is tracked is in ${other}.`
    : paused ? "Tracking is paused."
    : "";
  write(byId("other"), words);
  announcer.changed("tracker", silent > camera.patience && words ? "Nothing is heard of the tracker." : words);
  byId("other").hidden = !words;
}

let waiting = false;
function drawSoon() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(draw);
}

function draw() {
  waiting = false;
  const stamp = stampOf(view.shown?.stamp);
  overlay.draw(stamp === null ? null : composed(stamp));
  if (view.heldAt) stage.dataset.held = "true";
  else delete stage.dataset.held;
}

/** What is drawn over the picture with this stamp. @param {bigint} stamp */
function composed(stamp) {
  const wish = wished();
  const there = told.found(stamp, wish);
  const here = wish.other ? [] : told.targets(stamp);
  targets.showFound(there.identities, here);
  const mouse = pointing.mouse && !pointing.dragged ? view.toImage(pointing.mouse.x, pointing.mouse.y) : null;
  const hit = mouse && pick(there.identities, there.detections, mouse.x, mouse.y, 0);
  return {
    targets: here,
    ...withoutTwice(there, here, hit?.found ?? null),
    trails: told.trails(stamp, checked("show-trails") ? here : []),
    hovered: hit?.found ?? null,
    drawn: pointing.dragged ?? pointing.cursor,
    cursor: pointing.dragged === null,
  };
}

/** What the operator wants to see. */
function wished() {
  return { identities: checked("show-identities"), detections: checked("show-detections"), other: topics.other !== "" };
}

/** @param {string} id */ const checked = (id) => /** @type {HTMLInputElement} */ (byId(id)).checked;

byId("retry").addEventListener("click", () => socket.retry());
byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = /** @type {HTMLInputElement} */ (byId("token"));
  keep("token", field.value.trim());
  socket.authorise(field.value.trim());
  field.value = "";
});
window.addEventListener("hashchange", () => socket.authorise(tokenOfAddress() ?? kept("token")));
document.addEventListener("visibilitychange", () => watch(camera.topic));
for (const id of ["show-identities", "show-detections", "show-trails"]) byId(id).addEventListener("change", drawSoon);
fillKey(byId("key"));
setInterval(() => {
  if (now.connection === "open") camera.look();
  notice();
  aside();
  if (now.connection === "lost" || performance.now() - heardAt > camera.patience) {
    targets.silence();
    panel.take(null);
  }
  const held = (performance.now() - view.heldAt) / SECOND;
  write(byId("held"), view.heldAt ? `Picture held while you draw: ${held.toFixed(1)} s` : "");
  byId("held").hidden = !view.heldAt;
}, 200);
