// Keys that work throughout a view, and the list of them.

import { h } from "./dom.js";
import { dialog } from "./notices.js";

const KEYS = [
  [["Space"], "play or pause the clip"],
  [["←", "→"], "a second back or on in the clip, a step where there is none; with Shift the view moves"],
  [["+", "−", "0"], "zoom in, zoom out, the whole range"],
  [["n", "p"], "next and previous event"],
  [["y"], "judge: yes, it matters (important)"],
  [["x"], "judge: nothing, it is normal"],
  [["u"], "judge: unsure"],
  [["?"], "these keys"],
];

let open = false;

export async function showKeys() {
  if (open) return;
  open = true;
  const list = h("dl", { class: "keys" }, KEYS.map(([keys, what]) => [
    h("dt", {}, keys.map((key) => [h("kbd", {}, key), " "])), h("dd", {}, what)]));
  await dialog("Keys", h("div", { class: "stack" }, list, h("p", { class: "soft small" }, "On the timeline and among the events.")));
  open = false;
}

// Whether a key press is meant for a field, a button or a dialog rather than for the view.
function taken(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return true;
  const at = event.target;
  if (!(at instanceof HTMLElement)) return false;
  if (at.matches("input:not([type=checkbox]), textarea, select") || at.isContentEditable) return true;
  return event.key === " " && at.matches("button, a, summary, input, video");
}

// Keys of a view: {"n": () => ..., "ArrowLeft": (event) => ...}.
export function listen(keys, signal) {
  document.addEventListener("keydown", (event) => {
    if (taken(event)) return;
    const run = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!run) return;
    event.preventDefault();
    run(event);
  }, { signal });
}

document.addEventListener("keydown", (event) => {
  if (event.key === "?" && !taken(event)) { event.preventDefault(); showKeys(); }
});
