// What a camera's threshold is, and how it can be changed: by the number of allowed false alarms,
// by recalibration from events marked as normal, and back again.

import { capitalize, count, DAY, formatBudget, formatRawScore, HOUR, now }
  from "../shared/format.js";
import { cameraPath, fetchJson, queryString } from "./api.js";
import { busy, h, moment, s, setText, zoneNote } from "./dom.js";
import { eventRow } from "./event_panel.js";
import { icon } from "./icons.js";
import { askToConfirm, attempt, showError, showNotice } from "./notices.js";
import { link, navigate } from "./router.js";
import { loadCameras } from "./store.js";

const UNITS = ["hour", "day", "week", "month"];
const FIRST_BUDGET = "2";
const TYPING_MS = 250;

// A number and a unit. `value()` is "2/day", or null for the default of the model.
export function budgetField(text) {
  const parts = /^([\d.]+)\s*\/\s*(\w+)$/.exec(text ?? "");
  const number = h("input", { type: "number", min: "0.1", step: "any", class: "narrow",
    "aria-label": "Allowed false alarms" });
  const unit = h("select", { "aria-label": "per" },
    UNITS.map((name) => h("option", { value: name }, `per ${name}`)),
    h("option", { value: "" }, "Model default"));
  number.value = parts ? parts[1] : FIRST_BUDGET;
  unit.value = parts ? parts[2] : "";
  const showNumber = () => { number.hidden = unit.value === ""; };
  unit.addEventListener("change", showNumber);
  showNumber();
  return {
    element: h("div", { class: "row" }, number, unit),
    inputs: [number, unit],
    value: () => (unit.value === "" ? null : `${Number(number.value)}/${unit.value}`),
    isValid: () => unit.value === "" || Number(number.value) > 0,
  };
}

// The last day as a line with its alarms: those that would stay, disappear, or be added.
function dayStrip(preview, stay, until_us) {
  const known_us = Math.min(DAY, preview.hours ? preview.hours * HOUR : DAY);
  const at = (us) => 1000 * (1 - (until_us - us) / known_us);
  const mark = (kind, y, height) => ({ start_us, end_us }) => {
    const x = at(start_us), width = Math.max(4, at(end_us ?? until_us) - x);
    return s("rect", { class: kind, x, y, width, height, rx: 1 });
  };
  return s("svg", { class: "day-strip", viewBox: "0 0 1000 28", preserveAspectRatio: "none",
    "aria-hidden": "true" },
    s("path", { class: "axis", d: "M0 14H1000" }),
    stay.map(mark("kept", 7, 14)),
    preview.vanish.filter((event) => event.start_us).map(mark("gone", 9, 10)),
    preview.appear.map(mark("more", 7, 14)));
}

// What a budget would have meant for the last day, as a sentence.
function budgetText(preview) {
  const { hours, alarms_now: alarmsNow, alarms_then: alarmsThen } = preview;
  if (hours * 60 < 1) return "There is too little data from the last day for a preview.";
  let time = "the last 24 hours";
  if (hours < 23.5) {
    const known = hours < 1 ? `${Math.round(hours * 60)} minutes` : `${hours.toFixed(1)} hours`;
    time = `the ${known} with scores in the last day`;
  }
  const changes = [];
  if (preview.vanish.length) changes.push(`${preview.vanish.length} fewer`);
  if (preview.appear.length) changes.push(`${preview.appear.length} more`);
  if (!changes.length) return `In ${time}: ${count(alarmsThen, "alarm")}, as now.`;
  return `In ${time}: ${count(alarmsThen, "alarm")} instead of ${alarmsNow} `
    + `(${changes.join(", ")}).`;
}

// How many false alarms a camera may raise, with a preview of each choice on the last day.
// `apply(budget, button)` makes a choice hold.
export function budgetPanel(camera, signal, apply) {
  const choice = budgetField(camera.false_alarms);
  const text = h("p", { role: "status" });
  const facts = h("p", { class: "soft small number" });
  const strip = h("div", {}), warning = h("p", { class: "callout warn small", hidden: true });
  const button = h("button", { type: "button", class: "main", disabled: true,
    onclick: () => apply(choice.value(), button) }, "Apply this limit");
  const showOnly = (sentence) => {
    setText(text, sentence);
    setText(facts, "");
    strip.replaceChildren();
    warning.hidden = true;
  };

  let requests = 0;
  const showPreview = async () => {
    if (!choice.isValid()) {
      setText(text, "Enter a number above 0.");
      button.disabled = true;
      return;
    }
    requests += 1;
    const request = requests, budget = choice.value();
    button.disabled = (budget ?? "") === (camera.false_alarms ?? "");
    if (budget === null) {
      showOnly("This is the threshold that came with the model.");
      return;
    }
    try {
      const path = cameraPath(camera.name, "budget", { false_alarms: budget });
      const lastDay = queryString(
        { camera: camera.name, kind: "anomaly", from_us: now() - DAY, limit: 200 });
      const [preview, { events }] = await Promise.all([
        fetchJson(path, { signal }), fetchJson(`events${lastDay}`, { signal })]);
      if (request !== requests) return; // Somebody has chosen something else meanwhile.
      const vanishing = new Set(preview.vanish.map((event) => event.row));
      const stay = events.filter((event) => !vanishing.has(event.row));
      setText(text, budgetText(preview));
      setText(facts, `Threshold ${formatRawScore(preview.threshold_now)} → `
        + `${formatRawScore(preview.threshold)} (raw score)`);
      strip.replaceChildren(dayStrip(preview, stay, now()));
      warning.hidden = !preview.notice;
      setText(warning, `${capitalize(preview.notice ?? "")}.`);
    } catch (error) {
      if (request === requests && !signal.aborted) showOnly(error.message);
    }
  };

  let typing = null;
  const previewSoon = () => {
    clearTimeout(typing);
    typing = setTimeout(() => showPreview().catch(showError), TYPING_MS);
  };
  for (const input of choice.inputs) input.addEventListener("input", previewSoon);
  showPreview();
  return h("section", { class: "card pad stack", "aria-labelledby": "budget-title" },
    h("h2", { id: "budget-title" }, "Allowed false alarms"),
    h("p", { class: "soft small" }, "A lower number makes the camera less sensitive."),
    h("div", { class: "row" }, choice.element, button),
    h("div", { class: "stack tight" }, text, strip, facts), warning);
}

// Undoes the newest change of a camera after asking; `onDone` is called when that went well.
export async function rollBack(name, onDone) {
  const text = `The latest change of ${name} is undone. What held before holds again at once.`;
  if (!await askToConfirm("Roll back?", text, "Roll back")) return;
  await attempt(async () => {
    const { name: nameNow } = await fetchJson(cameraPath(name, "rollback"), { method: "POST" });
    await loadCameras();
    showNotice(`The latest change of ${nameNow} was undone.`);
    if (nameNow === name) await onDone?.();
    else navigate(["cameras", nameNow]);
  });
}

function revisionItem(revision) {
  const state = revision.current ? "current" : revision.undone ? "undone" : "";
  return h("li", { class: state },
    h("span", { class: "what" }, revision.text || revision.what,
      revision.current && h("span", { class: "tag good" }, icon("check"), "in use"),
      revision.undone && h("span", { class: "tag" }, "rolled back")),
    h("span", { class: "small soft number" }, moment(revision.at_us)));
}

// The changes of a camera or of the site, newest first: {element, load()}. `path` is where they are
// in the API; `undo` undoes the newest of them, and calls what it gets when that went well.
export function historyPanel(path, signal, undo) {
  const list = h("ol", { class: "revisions" });
  const back = h("button", { type: "button" }, icon("back"), "Roll back");
  back.addEventListener("click", busy(back, () => undo(load)));
  const showText = (text) => list.replaceChildren(h("li", { class: "soft small" }, text));

  async function load() {
    const { revisions } = await fetchJson(`${path}/history`, { signal });
    const newestFirst = [...revisions].sort((first, second) => second.number - first.number);
    list.replaceChildren(...newestFirst.map(revisionItem));
    if (!newestFirst.length) {
      showText("No changes yet. Each change that you make here can be rolled back.");
    }
    back.hidden = newestFirst.every((revision) => revision.undone);
  }

  load().catch((error) => { if (!signal.aborted) showText(error.message); });
  const element = h("section", { class: "card pad stack", "aria-labelledby": "history-title" },
    h("div", { class: "row apart" }, h("h2", { id: "history-title" }, "History ", zoneNote()),
      back), list);
  return { element, load };
}

// The changes of a camera; `onRolledBack` is called when one was undone.
export function cameraHistory(name, signal, onRolledBack) {
  return historyPanel(cameraPath(name), signal, (load) => rollBack(name, async () => {
    await load();
    await onRolledBack();
  }));
}

// The page that shows what recalibration would change in the past, before it is applied.
export async function recalibratePage(place, name, signal) {
  const body = h("div", { class: "stack" }), camera = link(["cameras", name]);
  const revisions = cameraHistory(name, signal, showPreview);
  place.append(
    h("div", { class: "head" }, h("div", { class: "titles" },
      h("a", { class: "crumb", href: camera }, icon("left"), name), h("h1", {}, "Recalibrate"))),
    h("div", { class: "camera-page spaced" }, body,
      h("div", { class: "stack" }, revisions.element)));

  async function showPreview() {
    try {
      const path = cameraPath(name, "recalibration/preview");
      drawPreview(await fetchJson(path, { method: "POST", signal }));
    } catch (error) {
      if (signal.aborted) return;
      const events = link(["events"], { camera: name, kind: "anomaly" });
      body.replaceChildren(h("div", { class: "callout warn" }, h("p", {}, error.message)),
        h("div", {}, h("a", { class: "button", href: events }, "Show the events")));
    }
  }

  function drawPreview(preview) {
    const { vanish, stay } = preview;
    const apply = h("button", { type: "button", class: "main" }, "Apply");
    const buttons = h("div", { class: "row" }, apply,
      h("a", { class: "button quiet", href: camera }, "Cancel"));
    apply.addEventListener("click", busy(apply, () => attempt(async () => {
      await fetchJson(cameraPath(name, "recalibration/apply"), { method: "POST" });
      await loadCameras();
      await revisions.load();
      showNotice(`Camera ${name} was recalibrated. You can roll this back at any time.`);
      buttons.replaceChildren(h("a", { class: "button", href: camera }, `Back to ${name}`));
      body.prepend(h("div", { class: "callout good applied" },
        h("p", {}, h("strong", {}, "Applied. "),
          "The new threshold is in use. Past events stay as they are.")));
    })));
    const warning = preview.notice
      && h("p", { class: "callout warn small" }, `${capitalize(preview.notice)}.`);
    body.replaceChildren(
      h("section", { class: "card pad stack" },
        h("p", { class: "lead" }, effectText(vanish.length, stay.length)),
        thresholdScale(preview), h("p", { class: "soft small" }, basisText(preview)),
        warning, buttons),
      eventGroup("Alarms that would disappear", vanish,
        "None. Events that you marked as normal raise no alarm already, or would still raise one."),
      eventGroup("Alarms that would stay", stay, "None."));
  }

  await showPreview();
}

function effectText(vanishing, staying) {
  if (!vanishing) return `No alarm would disappear; ${count(staying, "alarm")} would stay.`;
  return `${count(vanishing, "alarm")} would disappear, `
    + `${staying ? `${staying} would stay` : "none would stay"}.`;
}

// What a recalibration is based on.
function basisText({ hours, feedback, false_alarms: budget }) {
  let time = `${(hours / 24).toFixed(1)} days`;
  if (hours < 36) time = `${hours.toFixed(1)} hours`;
  if (hours < 1) time = count(Math.max(1, Math.round(hours * 60)), "minute");
  return `Based on ${count(feedback, "event")} marked as normal and the normal footage of the `
    + `model, for ${formatBudget(budget)}. Tested on the last ${time}.`;
}

// Both thresholds on one logarithmic scale.
function thresholdScale({ threshold_before: before, threshold_after: after }) {
  const low = Math.log(Math.min(before, after)), high = Math.log(Math.max(before, after));
  const margin = Math.max(0.3, (high - low) * 0.5), length = high - low + 2 * margin;
  const at = (value) => 1000 * (Math.log(value) - low + margin) / length;
  return h("div", { class: "scale" },
    s("svg", { viewBox: "0 0 1000 30", preserveAspectRatio: "none", "aria-hidden": "true" },
      s("path", { class: "axis", d: "M0 15H1000" }),
      s("path", { class: "way", d: `M${at(before)} 15H${at(after)}` }),
      s("path", { class: "before", d: `M${at(before)} 4V26` }),
      s("path", { class: "after", d: `M${at(after)} 1V29` })),
    h("p", { class: "row apart small number" },
      h("span", { class: "soft" }, `Threshold before: ${formatRawScore(before)}`),
      h("span", { class: "strong" }, `after: ${formatRawScore(after)} (raw score)`)));
}

function eventGroup(title, events, textForNone) {
  const rows = events.length ? events.map((event) => eventRow(event))
    : h("p", { class: "soft small pad" }, textForNone);
  return h("section", { class: "card", "aria-label": title },
    h("div", { class: "pad-head row apart" },
      h("h2", {}, title), h("span", { class: "tag" }, String(events.length))),
    h("div", { class: "event-list wide" }, rows));
}
