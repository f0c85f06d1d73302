// What the threshold would be if it had learned from events marked as normal; applied only after a look at the past.

import { ask, camera } from "./api.js";
import { busy, h, s } from "./dom.js";
import { eventRow } from "./event_row.js";
import { historyPanel } from "./history.js";
import { icon } from "./icons.js";
import { notice, tried } from "./notices.js";
import { link } from "./router.js";
import { loadCameras } from "./store.js";
import { budget, capital, count, raw } from "./words.js";

export async function recalibratePage(place, name, signal) {
  const body = h("div", { class: "stack" });
  const revisions = historyPanel(name, signal, look);
  place.append(
    h("div", { class: "head" }, h("div", { class: "titles" },
      h("a", { class: "crumb", href: link(["cameras", name]) }, icon("left"), name), h("h1", {}, "Recalibrate"))),
    h("div", { class: "camera-page spaced" }, body, h("div", { class: "stack" }, revisions.element)));

  async function look() {
    let told;
    try { told = await ask(camera(name, "recalibration/preview"), { method: "POST", signal }); } catch (error) {
      if (signal.aborted) return;
      body.replaceChildren(h("div", { class: "callout warn" }, h("p", {}, error.message)),
        h("div", {}, h("a", { class: "button", href: link(["events"], { camera: name, kind: "anomaly" }) }, "Look at its events")));
      return;
    }
    const apply = h("button", { type: "button", class: "main" }, "Apply");
    apply.addEventListener("click", busy(apply, () => tried(async () => {
      await ask(camera(name, "recalibration/apply"), { method: "POST" });
      await loadCameras();
      await revisions.load();
      notice(`${name} is recalibrated. It can be rolled back at any time.`);
      done();
    })));
    const row = h("div", { class: "row" }, apply, h("a", { class: "button quiet", href: link(["cameras", name]) }, "Leave it as it is"));
    const done = () => {
      row.replaceChildren(h("a", { class: "button", href: link(["cameras", name]) }, `Back to ${name}`));
      body.prepend(h("div", { class: "callout good applied" },
      h("p", {}, h("strong", {}, "Applied. "), "The new threshold holds from now on; what was recorded stays as it is.")));
    };
    const known = told.hours < 1 ? count(Math.max(1, Math.round(told.hours * 60)), "minute") : told.hours < 36
      ? `${told.hours.toFixed(1)} hours` : `${(told.hours / 24).toFixed(1)} days`;
    body.replaceChildren(
      h("section", { class: "card pad stack" },
        h("p", { class: "lead" }, told.vanish.length
          ? `${count(told.vanish.length, "alarm")} would vanish, ${told.stay.length ? `${told.stay.length} would stay` : "none would stay"}.`
          : `No alarm would vanish; ${count(told.stay.length, "alarm")} would stay.`),
        scale(told),
        h("p", { class: "soft small" }, `From ${count(told.feedback, "event")} marked as normal and the model's own normal footage, for ${budget(told.false_alarms)}; seen on the past ${known}.`),
        told.notice && h("p", { class: "callout warn small" }, capital(told.notice)),
        row),
      group("These alarms would vanish", told.vanish, "None: what was marked as normal already raises no alarm, or would still do."),
      group("These stay", told.stay, "None."));
  }
  await look();
}

// Both thresholds on one logarithmic scale.
function scale(told) {
  const low = Math.log(Math.min(told.threshold_before, told.threshold_after)),
    high = Math.log(Math.max(told.threshold_before, told.threshold_after));
  const room = Math.max(0.3, (high - low) * 0.5), at = (value) => 1000 * (Math.log(value) - low + room) / (high - low + 2 * room);
  const before = at(told.threshold_before), after = at(told.threshold_after);
  return h("div", { class: "scale" },
    s("svg", { viewBox: "0 0 1000 30", preserveAspectRatio: "none", "aria-hidden": "true" },
      s("path", { class: "axis", d: "M0 15H1000" }), s("path", { class: "way", d: `M${before} 15H${after}` }),
      s("path", { class: "before", d: `M${before} 4V26` }), s("path", { class: "after", d: `M${after} 1V29` })),
    h("p", { class: "row apart small number" }, h("span", { class: "soft" }, `Threshold now ${raw(told.threshold_before)}`),
      h("span", { class: "strong" }, `then ${raw(told.threshold_after)} (raw score)`)));
}

function group(title, events, none) {
  return h("section", { class: "card", "aria-label": title },
    h("div", { class: "pad-head row apart" }, h("h2", {}, title), h("span", { class: "tag" }, String(events.length))),
    h("div", { class: "event-list wide" }, events.length ? events.map((one) => eventRow(one)) : h("p", { class: "soft small pad" }, none)));
}
