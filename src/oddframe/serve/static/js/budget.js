// How many false alarms a camera may raise, and what that would have meant for the last day.

import { ask, camera, search } from "./api.js";
import { h, s, say } from "./dom.js";
import { complain } from "./notices.js";
import { capital, count, DAY, HOUR, now, raw } from "./words.js";

const UNITS = ["hour", "day", "week", "month"];

// A number and a unit; value() gives "2/day", or null for the model's own.
export function budgetField(text, own = true) {
  const found = /^([\d.]+)\s*\/\s*(\w+)$/.exec(text ?? "");
  const number = h("input", { type: "number", min: "0.1", step: "any", "aria-label": "False alarms", class: "narrow" });
  const unit = h("select", { "aria-label": "per" }, UNITS.map((one) => h("option", { value: one }, `per ${one}`)),
    own && h("option", { value: "" }, "as the model has it"));
  number.value = found ? found[1] : "2";
  unit.value = found ? found[2] : own ? "" : "day";
  const fit = () => { number.hidden = unit.value === ""; };
  unit.addEventListener("change", fit);
  fit();
  return {
    element: h("div", { class: "row" }, number, unit),
    inputs: [number, unit],
    value: () => (unit.value === "" ? null : `${Number(number.value)}/${unit.value}`),
    valid: () => unit.value === "" || Number(number.value) > 0,
  };
}

// The day that has passed as a line with its alarms: those that would stay, vanish, or come.
function dayStrip(told, until_us) {
  const at = (us) => 1000 * (1 - (until_us - us) / Math.min(DAY, told.hours ? told.hours * HOUR : DAY));
  const mark = (start, end, kind) => s("rect",
    { class: kind, x: at(start), y: kind === "gone" ? 9 : 7, width: Math.max(4, at(end) - at(start)), height: kind === "gone" ? 10 : 14,
    rx: 1 });
  return s("svg", { class: "day-strip", viewBox: "0 0 1000 28", preserveAspectRatio: "none", "aria-hidden": "true" },
    s("path", { class: "axis", d: "M0 14H1000" }),
    (told.stay ?? []).map((one) => mark(one.start_us, one.end_us ?? until_us, "kept")),
    (told.vanish ?? []).filter((one) => one.start_us).map((one) => mark(one.start_us, one.end_us ?? until_us, "gone")),
    (told.appear ?? []).map((one) => mark(one.start_us, one.end_us, "more")));
}

function verdict(told) {
  if (told.hours * 60 < 1) return "Too little is known of the last day yet to say what it would have done.";
  const hours = told.hours >= 23.5 ? "the last day"
    : `the ${told.hours < 1 ? `${Math.round(told.hours * 60)} minutes` : `${told.hours.toFixed(1)} hours`} that are known`;
  const gone = told.vanish.length, more = told.appear.length;
  const change = [gone && `${gone} would not have been raised`, more && `${more} more would have been`].filter(Boolean);
  if (!change.length) return `Over ${hours}: ${count(told.alarms_then, "alarm")}, as now.`;
  return `Over ${hours}: ${count(told.alarms_then, "alarm")} instead of ${told.alarms_now} (${change.join(", ")}).`;
}

export function budgetPanel(one, signal, apply) {
  const chosen = budgetField(one.false_alarms);
  const said = h("p", { role: "status" }), facts = h("p", { class: "soft small number" }), strip = h("div", {}),
    noted = h("p", { class: "callout warn small", hidden: true });
  const button = h("button", { type: "button", class: "main", onclick: () => apply(chosen.value(), button), disabled: true },
    "Use this budget");
  let timer = null, asked = 0;
  const look = async () => {
    if (!chosen.valid()) { say(said, "Say a number above 0."); button.disabled = true; return; }
    const mine = asked += 1;
    button.disabled = (chosen.value() ?? "") === (one.false_alarms ?? "");
    try {
      if (chosen.value() === null) {
        say(said, "The threshold that the model came with.");
        say(facts, "");
        strip.replaceChildren();
        noted.hidden = true;
        return;
      }
      const [told, { events }] = await Promise.all([
        ask(camera(one.name, "budget", { false_alarms: chosen.value() }), { signal }),
        ask(`events${search({ camera: one.name, kind: "anomaly", from_us: now() - DAY, limit: 200 })}`, { signal })]);
      if (mine !== asked) return;
      const gone = new Set(told.vanish.map((event) => event.row));
      told.stay = events.filter((event) => !gone.has(event.row));
      say(said, verdict(told));
      say(facts, `Threshold ${raw(told.threshold_now)} → ${raw(told.threshold)} (raw score)`);
      strip.replaceChildren(dayStrip(told, now()));
      noted.hidden = !told.notice;
      say(noted, capital(told.notice ?? ""));
    } catch (error) {
      if (mine === asked && !signal.aborted) { say(said, error.message); say(facts, ""); strip.replaceChildren(); }
    }
  };
  for (const input of chosen.inputs) input.addEventListener("input",
    () => { clearTimeout(timer); timer = setTimeout(() => look().catch(complain), 250); });
  look();
  return h("section", { class: "card pad stack", "aria-labelledby": "budget-title" },
    h("h2", { id: "budget-title" }, "False alarms"),
    h("p", { class: "soft small" }, "How many alarms about nothing this camera may raise. Fewer means that it takes more to raise one."),
    h("div", { class: "row" }, chosen.element, button), h("div", { class: "stack tight" }, said, strip, facts), noted);
}

