// A camera's state as a symbol, a word, and a sentence where something is wrong.

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { length, phase } from "./words.js";

export function stateTag(one) {
  const { word, symbol, colour } = phase(one.state?.phase);
  return h("span", { class: `tag ${colour}` }, icon(symbol), word);
}

export function alarmTag() {
  return h("span", { class: "tag alarm full" }, icon("alarm"), "unusual now");
}

// The server's sentences may come without their full stop.
const ended = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);

export function trouble(one) {
  const { phase: name, error, silent_s: silent, retry_s: retry } = one.state ?? {};
  if (name === "live" || name === "connecting" && !error) return "";
  const parts = [error && ended(error)];
  if (name === "stalled" && silent) parts.push(`No frame for ${length(silent)}.`);
  if (name === "waiting" && retry) parts.push(`Next try in ${length(retry)}.`);
  return parts.filter(Boolean).join(" ");
}

export function rate(one) {
  return one.state?.phase === "live" ? `${(one.state.rate_fps ?? 0).toFixed(1)} frames/s` : "";
}
