// Keys that work throughout a view, and the list of them.

import { h } from "./dom.js";
import { showDialog } from "./notices.js";

const KEYS = [
  [["Space"], "play or pause the clip"],
  [["←", "→"], "one second back or forward in the clip; without a clip, move the cursor; "
    + "with Shift, move the view"],
  [["+", "−", "0"], "zoom in, zoom out, show the whole range"],
  [["n", "p"], "next event, previous event"],
  [["y"], "mark the event as important; on the page Events, all of its stack"],
  [["x"], "mark the event as normal"],
  [["u"], "mark the event as unsure"],
  [["z"], "undo the last verdict (page Events)"],
  [["?"], "show these keys"],
];

let isShown = false;

export async function showKeys() {
  if (isShown) return;
  isShown = true;
  const list = h("dl", { class: "keys" }, KEYS.map(([keys, meaning]) => [
    h("dt", {}, keys.map((key) => [h("kbd", {}, key), " "])), h("dd", {}, meaning)]));
  await showDialog("Keyboard shortcuts", h("div", { class: "stack" }, list,
    h("p", { class: "soft small" }, "They work on the pages Timeline and Events.")));
  isShown = false;
}

// Whether a key press is meant for a field, a button or a dialog rather than for the view.
function isForOther(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return true;
  if (document.querySelector("dialog[open]")) return true;
  const { target } = event;
  if (!(target instanceof HTMLElement)) return false;
  const takesText = target.matches("input:not([type=checkbox]), textarea, select");
  if (takesText || target.isContentEditable) return true;
  return event.key === " " && target.matches("button, a, summary, input, video");
}

// Listens to a view's keys: {"n": () => ..., "ArrowLeft": (event) => ...}.
export function listenToKeys(actions, signal) {
  document.addEventListener("keydown", (event) => {
    if (isForOther(event)) return;
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action(event);
  }, { signal });
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "?" || isForOther(event)) return;
  event.preventDefault();
  showKeys();
});
