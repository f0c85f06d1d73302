// What a training has found: outliers to judge, and the alarms of its model before it goes live.

import { count, dayAndTime, duration, formatBudget, formatScore, playTime }
  from "../shared/format.js";
import { fetchJson, queryString, safeUrl } from "./api.js";
import { busy, h, moment, setText, zoneNote } from "./dom.js";
import { icon } from "./icons.js";
import { attempt, showError, showNotice } from "./notices.js";
import { loadCameras } from "./store.js";
import { budgetField } from "./thresholds.js";

const TYPING_MS = 300, SHOWN_ALARMS = 12, SHOWN_TIMES = 5;

const VERDICTS = [["leave_out", "Leave out"], ["normal", "That is normal"]];

// When a span of the footage was, as people say it: by the clock, else by the place in the file.
const momentText = ({ at_us: at, source, start_s: start }) =>
  (at ? dayAndTime(at) : `${source}, ${playTime(start)}`);

// A span of the footage with its picture; the picture may be gone with the video.
function spanCard(span, what, ...more) {
  const picture = h("img", { src: safeUrl(span.picture), loading: "lazy",
    alt: `${what}, ${momentText(span)}` });
  picture.addEventListener("error", () => picture.remove(), { once: true });
  return h("li", { class: "span" }, h("div", { class: "picture" }, picture),
    h("div", { class: "stack tight" },
      h("p", { class: "small" }, span.at_us ? moment(span.at_us) : momentText(span),
        h("span", { class: "soft number" },
          ` · ${duration(span.end_s - span.start_s)} · score ${formatScore(span.score)}`)),
      ...more));
}

// The outliers of the footage, each with what can be said of it.
function outlierPanel(path, reload) {
  const list = h("ul", { class: "spans" });
  const again = h("button", { type: "button" }, "Train again without them");
  const text = h("p", { class: "small", role: "status" });
  const row = h("div", { class: "row" }, again);
  const element = h("section", { class: "card pad stack", "aria-labelledby": "outliers-title",
    hidden: true },
  h("h2", { id: "outliers-title" }, "Unlike the rest ", zoneNote()),
  h("p", { class: "soft small" }, "The video was meant to show normal times. These moments stand "
    + "out. What the camera is there to find must be left out: what a model has learnt is normal "
    + "to it."), list, text, row);
  again.addEventListener("click", busy(again, () => attempt(async () => {
    await fetchJson(`${path}/again`, { method: "POST" });
    await reload();
  })));

  const judge = (span, verdict, button) => busy(button, () => attempt(async () => {
    const { source, start_s, end_s } = span;
    const said = span.verdict === verdict ? null : verdict;
    draw(await fetchJson(`${path}/outliers`,
      { method: "PUT", body: { source, start_s, end_s, verdict: said } }));
  }))();
  const verdictButton = (span, [verdict, words]) => {
    const button = h("button", { type: "button", "aria-pressed": String(span.verdict === verdict) },
      words);
    button.addEventListener("click", () => judge(span, verdict, button));
    return button;
  };
  function draw({ outliers, left_out: leftOut, can_train_again: canTrain }) {
    element.hidden = !outliers.length;
    // Who uses the keys stays on the button that was pressed.
    const pressed = document.activeElement?.textContent;
    const place = [...list.children].indexOf(document.activeElement?.closest("li"));
    list.replaceChildren(...outliers.map((span) => spanCard(span, "Unlike the rest",
      h("div", { class: "row" }, VERDICTS.map((one) => verdictButton(span, one))))));
    const buttons = [...(list.children[place]?.querySelectorAll("button") ?? [])];
    buttons.find((button) => button.textContent === pressed)?.focus();
    const open = outliers.filter((span) => !span.verdict).length;
    setText(text, open ? `${count(open, "moment")} to look at.`
      : "You have looked at all of them.");
    row.hidden = !leftOut || !canTrain || !outliers.some((span) => span.verdict === "leave_out");
  }
  return { element, load: async () => draw(await fetchJson(`${path}/outliers`)) };
}

function previewText({ hours, alarm_count: alarms, in_sample: inSample, false_alarms: budget }) {
  const length = duration(3600 * hours);
  const where = inSample ? `${length} of video that it has learnt from, and so knows too well`
    : `${length} of video that it has not learnt from`;
  return `With ${formatBudget(budget)} it would have raised ${count(alarms, "alarm")} in ${where}.`;
}

// What the model of now and the new one would have alarmed in the same hours.
function comparison({ model, hours, alarms_now_us: before, alarms_new_us: after }) {
  const row = (name, alarms) => h("tr", {}, h("th", { scope: "row" }, name),
    h("td", { class: "number" }, String(alarms.length)),
    h("td", {}, alarms.slice(0, SHOWN_TIMES).map((us, place) => [place ? ", " : "", moment(us)]),
      alarms.length > SHOWN_TIMES && ` and ${alarms.length - SHOWN_TIMES} more`));
  return h("div", { class: "stack tight" },
    h("h3", {}, `Both models in the same ${duration(3600 * hours)}`),
    h("div", { class: "scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Model"),
        h("th", { scope: "col", class: "number" }, "Alarms"), h("th", { scope: "col" }, "When"))),
      h("tbody", {}, row(`${model} (now)`, before), row("the new model", after)))));
}

// The alarms that a budget would have raised; choosing one goes live with it.
function livePanel(learning, path, signal, reload) {
  const choice = budgetField(learning.false_alarms);
  const text = h("p", { role: "status" }), list = h("ul", { class: "spans", hidden: true });
  const notes = h("p", { class: "callout warn small", hidden: true }), both = h("div", {});
  const live = h("button", { type: "button", class: "main" }, icon("live"), "Go live");
  let requests = 0;
  const show = async () => {
    requests += 1;
    const request = requests;
    live.disabled = !choice.isValid();
    if (!choice.isValid()) {
      setText(text, "Enter a number above 0.");
      return;
    }
    try {
      const query = queryString({ false_alarms: choice.value() });
      const preview = await fetchJson(`${path}/preview${query}`, { signal });
      if (request !== requests) return; // Somebody has chosen something else meanwhile.
      setText(text, previewText(preview));
      list.replaceChildren(
        ...preview.alarms.slice(0, SHOWN_ALARMS).map((span) => spanCard(span, "Alarm")));
      list.hidden = !preview.alarms.length;
      both.replaceChildren(...(preview.compared ? [comparison(preview.compared)] : []));
      setText(notes, preview.notices.join(" "));
      notes.hidden = !preview.notices.length;
    } catch (error) {
      if (request === requests && !signal.aborted) setText(text, error.message);
    }
  };
  let typing = null;
  for (const input of choice.inputs) {
    input.addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => show().catch(showError), TYPING_MS);
    });
  }
  live.addEventListener("click", busy(live, () => attempt(async () => {
    await fetchJson(`${path}/live`,
      { method: "POST", body: { false_alarms: choice.value() } });
    await loadCameras();
    showNotice(`${learning.name} is watched with its own model.`);
    await reload();
  })));
  const element = h("section", { class: "card pad stack", "aria-labelledby": "live-title" },
    h("h2", { id: "live-title" }, "Before it goes live ", zoneNote()),
    h("div", { class: "field" }, h("span", { class: "label" }, "Allowed false alarms"),
      choice.element),
    text, both, list, notes, h("div", { class: "row" }, live));
  return { element, load: show };
}

// Fills a place with what a training has found; nothing where its model is not there yet.
export async function showLearnt(place, learning, path, signal, reload) {
  const parts = [];
  if (learning?.state === "ready") {
    parts.push(outlierPanel(path, reload), livePanel(learning, path, signal, reload));
  } else if (learning?.state === "finished" && learning.recorded_bytes) {
    parts.push(outlierPanel(path, reload));
  }
  place.replaceChildren(...parts.map(({ element }) => element));
  place.hidden = !parts.length;
  await Promise.all(parts.map(({ load }) => load()));
}
