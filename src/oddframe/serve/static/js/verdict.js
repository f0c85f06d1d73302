// What a person says of an event: normal, important or unsure, with a note.

import { ask } from "./api.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { notice, tried } from "./notices.js";
import { link } from "./router.js";
import { VERDICTS } from "./words.js";

const KEYS = { normal: "x", important: "y", unsure: "u" };

let saving = Promise.resolve();

// Saves a verdict, one after the other: a note's must not overtake the next one.
export function judge(event, verdict, note = event.note ?? "") {
  saving = saving.then(() => save(event, verdict, note));
  return saving;
}

// Resolves with the event as it is then, or null.
async function save(event, verdict, note) {
  let changed = null;
  await tried(async () => {
    changed = await ask(`events/${event.row}/review`, { method: "PUT", body: { verdict, note } });
    document.dispatchEvent(new CustomEvent("reviewed", { detail: changed }));
  });
  return changed;
}

export function verdictPart(event, changed) {
  const note = h("textarea", { rows: "2", maxlength: "2000", placeholder: "A note, such as: the gardener, every Tuesday" },
    event.note ?? "");
  note.setAttribute("aria-label", "Note");
  const give = async (verdict) => { const now = await judge(event, verdict, note.value); if (now) changed(now); };
  const buttons = Object.entries(VERDICTS).map(([name, [word, symbol]]) =>
    h("button", { type: "button", "aria-pressed": String(event.verdict === name), "aria-keyshortcuts": KEYS[name],
      onclick: () => give(event.verdict === name ? null : name) },
      icon(symbol), word, h("kbd", { "aria-hidden": "true" }, KEYS[name])));
  note.addEventListener("change", async () => {
    const now = await judge(event, event.verdict, note.value);
    if (now) { event.note = now.note; notice("The note is saved."); }
  });
  const learn = event.verdict === "normal" && event.kind === "anomaly" && h("div", { class: "callout" },
    h("p", {}, "Marked as normal. The threshold can learn from it, so that the like of it raises no alarm."),
    h("div", {}, h("a", { class: "button main", href: link(["cameras", event.camera, "recalibrate"]) }, "Preview recalibration")));
  return h("div", { class: "verdict stack tight" },
    h("p", { class: "soft small", id: "verdict-title" }, "Does it matter?"),
    h("div", { class: "row judge", role: "group", "aria-labelledby": "verdict-title" }, buttons), note, learn);
}
