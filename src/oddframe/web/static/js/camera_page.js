// One camera: its state in words, and the page that shows all about it.

import { capitalize, dayAndTime, duration, formatBudget, formatRawScore, formatScore }
  from "../shared/format.js";
import { cameraPath, fetchJson, queryString } from "./api.js";
import { sparkline } from "./charts.js";
import { busy, h, setText, zoneNote } from "./dom.js";
import { eventRow } from "./event_panel.js";
import { icon } from "./icons.js";
import { LivePicture } from "./live_picture.js";
import { attempt, showDialog, showNotice } from "./notices.js";
import { link, navigate, replaceAddress } from "./router.js";
import { hoursPanel } from "./hours_and_retention.js";
import { loadCameras, store, subscribe } from "./store.js";
import { budgetPanel, cameraHistory } from "./thresholds.js";
import { zonesOverlay, zonesPanel } from "./zones.js";

const PHASES = {
  connecting: { text: "connecting", symbol: "connecting", colour: "calm" },
  live: { text: "live", symbol: "live", colour: "good" },
  stalled: { text: "no signal", symbol: "stalled", colour: "warn" },
  waiting: { text: "no signal", symbol: "waiting", colour: "warn" },
  ended: { text: "ended", symbol: "ended", colour: "" },
  failed: { text: "fault", symbol: "failed", colour: "alarm" },
};
// What is said beside the sentence of a camera whose view is not the one that its model knows.
const MOVED = "What it shows is not judged. If the camera hangs as it should, its model has learnt "
  + "another view: let the camera be learnt.";
// What a camera shows, but is not scored.
const NOT_SCORED = { text: "live, not scored", symbol: "live", colour: "warn" };
const SHOWS_FAULT = { text: "camera fault", symbol: "failed", colour: "warn" };

// What is said of a camera that is being learnt, beside its state.
const LEARNING = { recording: "learning", training: "learning", paused: "learning paused",
  ready: "new model waits" };

// So many seconds without a score are told.
const LATEST_S = 5;

// A camera's phase as a symbol and a word.
export function stateTag(phase) {
  const unknown = { text: phase ?? "unknown", symbol: "unsure", colour: "" };
  const { text, symbol, colour } = PHASES[phase] ?? unknown;
  return h("span", { class: `tag ${colour}` }, icon(symbol), text);
}

// Single seconds without a score, as where a recording begins anew, are nothing to tell.
const isScored = ({ score, recent }) => (score ?? null) !== null
  || (recent ?? []).slice(-LATEST_S).some((value) => value !== null);

const hasMoved = ({ fault }) => (fault ?? "").startsWith("moved");

// What a camera does, in a word: that it is live is not said of one that nobody judges.
function stateOf(camera) {
  const phase = camera.state?.phase;
  if (phase !== "live") return PHASES[phase] ?? { text: "unknown", symbol: "unsure", colour: "" };
  if (camera.fault) return hasMoved(camera) && !isScored(camera) ? NOT_SCORED : SHOWS_FAULT;
  return isScored(camera) ? PHASES.live : NOT_SCORED;
}

function alarmTag() {
  return h("span", { class: "tag alarm full" }, icon("alarm"), "unusual now");
}

// Keeps the tags over a camera's picture up to date; replaces them only when they change, so that
// they are not read aloud each second.
export function stateTags() {
  const element = h("div", { class: "over" });
  let shown = "";
  const update = (camera) => {
    const { text, symbol, colour } = stateOf(camera);
    const learning = LEARNING[camera.learning];
    const state = `${text} ${camera.unusual} ${learning}`;
    if (state === shown) return;
    shown = state;
    const tags = [h("span", { class: `tag ${colour}` }, icon(symbol), text)];
    if (learning) tags.push(h("span", { class: "tag calm" }, icon("models"), learning));
    if (camera.unusual) tags.push(alarmTag());
    element.replaceChildren(...tags);
  };
  return { element, update };
}

// The server's sentences may come without their full stop; they often begin with an address.
const withFullStop = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);

// What is wrong with a camera or worth knowing of it, or "" where nothing is.
export function troubleText(camera) {
  const { phase, error, notice, silent_s: silent, retry_s: retry } = camera.state ?? {};
  if (phase === "live" && camera.fault) {
    return [withFullStop(capitalize(camera.fault)), hasMoved(camera) && MOVED].filter(Boolean)
      .join(" ");
  }
  if (phase === "live" && notice) return `It ${withFullStop(notice)}`;
  if (phase === "live") {
    return isScored(camera) ? "" : "There is no score yet: it takes some seconds of video.";
  }
  if (phase === "connecting" && !error) return "";
  const parts = [];
  if (error) parts.push(withFullStop(error));
  if (phase === "stalled" && silent) parts.push(`No picture for ${duration(silent)}.`);
  if (phase === "waiting" && retry) parts.push(`Next try in ${duration(retry)}.`);
  return parts.join(" ");
}

export function frameRate(camera) {
  const { phase, rate_fps: rate } = camera.state ?? {};
  return phase === "live" ? `${(rate ?? 0).toFixed(1)} frames/s` : "";
}

function cameraFacts(camera) {
  const { state } = camera;
  const usesDefault = camera.false_alarms ? "" : " (model default)";
  return [
    ["Source", camera.source],
    ["Model", camera.model],
    ["Threshold", `${formatRawScore(camera.threshold)} (raw score)`],
    ["False alarms", formatBudget(camera.budget ?? camera.false_alarms) + usesDefault],
    ["Calibrated", camera.calibrated_at_us ? dayAndTime(camera.calibrated_at_us)
      : "with the model"],
    ["Picture size", state?.size ? `${state.size[0]} × ${state.size[1]}` : "–"],
    ["Frame rate", frameRate(camera) || "–"],
    ["Scoring", camera.inference_ms ? `${camera.inference_ms.toFixed(1)} ms per frame` : "–"],
    ["Dropped", `${state?.dropped ?? 0} frames`],
    ["Reconnects", String(state?.reconnects ?? 0)],
    ["Camera health", camera.health ? "monitored" : "not monitored"],
  ];
}

// A list of terms whose values are updated in place, so that a selected text stays selected.
function factList() {
  const element = h("dl", { class: "facts" });
  const update = (facts) => {
    if (element.children.length !== 2 * facts.length) {
      element.replaceChildren(
        ...facts.flatMap(([term]) => [h("dt", {}, term), h("dd", {})]));
    }
    facts.forEach(([, text], index) => setText(element.children[2 * index + 1], text ?? "–"));
  };
  return { element, update };
}

export async function cameraPage(place, name, route, signal) {
  const live = new LivePicture(name, signal, { heat: route.query.heat === "1", streams: true });
  const heat = h("input", { type: "checkbox", checked: live.heat });
  heat.addEventListener("change", () => {
    live.heat = heat.checked;
    replaceAddress(["cameras", name], { heat: heat.checked ? 1 : "" });
  });
  const outline = h("div", { class: "outline" });
  live.element.append(outline);
  const tags = stateTags(), line = sparkline(), facts = factList();
  const troubleWords = h("p", {});
  // The way out of a model that has learnt another view.
  const mend = h("a", { class: "button", href: link(["cameras", name, "learn"]) },
    "Learn this camera");
  const trouble = h("div", { class: "callout warn stack tight", hidden: true }, troubleWords,
    h("div", {}, mend));
  const score = h("span", { class: "number strong" });
  const rate = h("span", { class: "soft small number" });
  const budgetPlace = h("div", {}), zonesPlace = h("div", {}), hoursPlace = h("div", {});
  const revisions = cameraHistory(name, signal, async () => drawPanels());

  async function reload() {
    await loadCameras();
    await revisions.load();
    drawPanels();
  }

  const applyBudget = (budget, button) => busy(button, () => attempt(async () => {
    const body = { false_alarms: budget };
    await fetchJson(cameraPath(name), { method: "PUT", body });
    showNotice(`New limit for ${name}: ${formatBudget(budget)}.`);
    await reload();
  }))();

  function drawPanels() {
    const camera = store.cameras.get(name);
    if (!camera) return;
    budgetPlace.replaceChildren(budgetPanel(camera, signal, applyBudget));
    zonesPlace.replaceChildren(zonesPanel(camera, live, outline, reload));
    hoursPlace.replaceChildren(hoursPanel(camera, reload));
    const isEditing = outline.querySelector(".editing");
    if (!isEditing) outline.replaceChildren(zonesOverlay(camera.zones));
  }

  function update() {
    const camera = store.cameras.get(name);
    if (!camera) return;
    tags.update(camera);
    // The last score of a camera that is lost says nothing of now.
    setText(score, formatScore(camera.state?.phase === "live" ? camera.score : null));
    score.classList.toggle("high", camera.score > 0.5);
    setText(rate, live.rateText());
    live.showAge(camera);
    const text = troubleText(camera);
    trouble.hidden = !text;
    setText(troubleWords, text);
    mend.hidden = !hasMoved(camera) || camera.state?.phase !== "live";
    line.update(camera.recent);
    facts.update(cameraFacts(camera));
  }

  // What has changed over the days, where that calls for a new model.
  const drifted = h("div", { class: "callout stack tight", hidden: true });
  async function showDrift() {
    const { sentence, learn_again: isProposed } = await fetchJson(cameraPath(name, "drift"),
      { signal });
    drifted.hidden = !isProposed || Boolean(store.cameras.get(name)?.learning);
    drifted.replaceChildren(h("p", {}, sentence), h("p", { class: "soft small" },
      "The new model is compared with the one of now in the same hours before it takes over."),
    h("div", {}, h("a", { class: "button", href: link(["cameras", name, "learn"]) },
      "Learn this camera again")));
  }

  const recalibrate = link(["cameras", name, "recalibrate"]);
  place.append(
    h("div", { class: "head" },
      h("div", { class: "titles" },
        h("a", { class: "crumb", href: "#/cameras" }, icon("left"), "Cameras"), h("h1", {}, name)),
      h("div", { class: "row" },
        h("a", { class: "button", href: link(["timeline"], { camera: name }) },
          icon("timeline"), "Timeline"),
        h("a", { class: "button", href: link(["cameras", name, "edit"]) }, icon("edit"), "Edit"),
        h("button", { type: "button", class: "danger", onclick: () => removeCamera(name) },
          "Remove"))),
    trouble, drifted,
    h("div", { class: "camera-page spaced" },
      h("div", { class: "stack" },
        h("div", { class: "card tile large" },
          h("div", { class: "screen" }, live.element, tags.element),
          h("div", { class: "under" },
            h("div", { class: "row apart" },
              h("p", {}, "Score ", score,
                h("span", { class: "soft small" }, " · unusual above 0.5")),
              h("span", { class: "row" }, rate,
                h("label", { class: "check" }, heat, "Heat map"))),
            line.element)),
        await latestEvents(name, signal)),
      h("div", { class: "stack" },
        budgetPlace,
        h("section", { class: "card pad stack", "aria-labelledby": "learn-title" },
          h("h2", { id: "learn-title" }, "Model"),
          h("p", { class: "soft small" }, "A model that has learnt this camera gives the best "
            + "results. Oddframe can record the camera and train one."),
          h("div", {}, h("a", { class: "button", href: link(["cameras", name, "learn"]) },
            "Learn this camera"))),
        h("section", { class: "card pad stack", "aria-labelledby": "recalibrate-title" },
          h("h2", { id: "recalibrate-title" }, "Recalibration"),
          h("p", { class: "soft small" }, "Events that you marked as normal raise the threshold, "
            + "so that similar events cause no alarm. You can preview the effect first."),
          h("div", {}, h("a", { class: "button", href: recalibrate }, "Preview recalibration"))),
        hoursPlace, zonesPlace, revisions.element,
        h("section", { class: "card pad stack", "aria-labelledby": "facts-title" },
          h("h2", { id: "facts-title" }, "Details"), facts.element))));

  for (const change of ["cameras", "status"]) subscribe(change, update, signal);
  drawPanels();
  update();
  showDrift().catch(() => {});
}

async function latestEvents(name, signal) {
  const list = h("div", { class: "event-list" });
  const load = async () => {
    const path = `events${queryString({ camera: name, limit: 4 })}`;
    const { events } = await fetchJson(path, { signal });
    const none = h("p", { class: "soft small pad" },
      "Nothing unusual so far. Unusual events appear here.");
    list.replaceChildren(...(events.length ? events.map((event) => eventRow(event)) : [none]));
  };
  subscribe("event", (event) => { if (event.camera === name) load().catch(() => {}); }, signal);
  await load();
  return h("section", { class: "card", "aria-labelledby": "latest-title" },
    h("div", { class: "row apart pad-head" },
      h("h2", { id: "latest-title" }, "Latest events ", zoneNote()),
      h("a", { href: link(["events"], { camera: name }) }, "All events")), list);
}

async function removeCamera(name) {
  const text = "The camera is no longer watched. Its events and scores can be kept or deleted.";
  const answer = await showDialog(`Remove ${name}?`, h("p", {}, text), [
    { text: "Cancel", value: "" },
    { text: "Remove and delete events", value: "forget", class: "danger" },
    { text: "Remove, keep events", value: "keep", class: "main" },
  ]);
  if (!answer) return;
  await attempt(async () => {
    const path = cameraPath(name, "", { forget: answer === "forget" });
    await fetchJson(path, { method: "DELETE" });
    await loadCameras();
    showNotice(`Camera ${name} was removed.`);
    navigate(["cameras"]);
  });
}
