// One camera: its live picture, its state, and the page that shows all about it.

import { dayAndTime, duration, formatBudget, formatRawScore, formatScore }
  from "../shared/format.js";
import { cameraPath, fetchJson, fetchResponse, queryString } from "./api.js";
import { sparkline } from "./charts.js";
import { busy, h, setText } from "./dom.js";
import { eventRow } from "./event_panel.js";
import { icon } from "./icons.js";
import { attempt, showDialog, showNotice } from "./notices.js";
import { link, navigate, replaceAddress } from "./router.js";
import { loadCameras, store, subscribe } from "./store.js";
import { budgetPanel, historyPanel } from "./thresholds.js";
import { zonesOverlay, zonesPanel } from "./zones.js";

const PAUSE_MS = 500, PAUSE_AFTER_ERROR_MS = 3000;

const pause = (ms, signal) => new Promise((resolve) => {
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
});

// A camera's last picture, asked for again and again while somebody can see it.
export class LivePicture {
  constructor(name, signal, heat = false) {
    this.name = name;
    this.signal = signal;
    this.heat = heat;
    this.image = h("img", { alt: `Live picture of ${name}`, hidden: true });
    this.message = h("p", { class: "none" }, "Waiting for a picture …");
    this.element = h("div", { class: "picture" }, this.image, this.message);
    this.isVisible = true;
    const watcher = new IntersectionObserver((entries) => {
      this.isVisible = entries.at(-1).isIntersecting;
    });
    watcher.observe(this.element);
    signal.addEventListener("abort", () => {
      watcher.disconnect();
      if (this.address) URL.revokeObjectURL(this.address);
    }, { once: true });
    this.poll();
  }

  async poll() {
    while (!this.signal.aborted) {
      let pause_ms = PAUSE_MS;
      if (this.isVisible && !document.hidden) {
        try {
          await this.loadNext();
        } catch (error) {
          if (this.signal.aborted) return;
          pause_ms = PAUSE_AFTER_ERROR_MS;
          // Without a connection the last picture stays: the banner says that it is old.
          if (error.status !== 0 || this.image.hidden) this.showMessage(error.message);
        }
      }
      await pause(pause_ms, this.signal);
    }
  }

  async loadNext() {
    const path = cameraPath(this.name, "live.jpg", { heat: this.heat ? 1 : 0 });
    const response = await fetchResponse(path, { signal: this.signal });
    const picture = await response.blob();
    if (this.signal.aborted) return;
    const before = this.address;
    this.address = URL.createObjectURL(picture);
    this.image.src = this.address;
    try { await this.image.decode(); } catch { /* A newer picture took its place. */ }
    if (before) URL.revokeObjectURL(before);
    this.image.hidden = false;
    this.message.hidden = true;
  }

  showMessage(text) {
    this.image.hidden = true;
    this.message.hidden = false;
    this.message.textContent = text;
  }
}

const PHASES = {
  connecting: { text: "connecting", symbol: "connecting", colour: "calm" },
  live: { text: "live", symbol: "live", colour: "good" },
  stalled: { text: "no picture", symbol: "stalled", colour: "warn" },
  waiting: { text: "reconnecting", symbol: "waiting", colour: "warn" },
  ended: { text: "ended", symbol: "ended", colour: "" },
  failed: { text: "failed", symbol: "failed", colour: "alarm" },
};

// A camera's phase as a symbol and a word.
export function stateTag(phase) {
  const unknown = { text: phase ?? "unknown", symbol: "unsure", colour: "" };
  const { text, symbol, colour } = PHASES[phase] ?? unknown;
  return h("span", { class: `tag ${colour}` }, icon(symbol), text);
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
    const state = `${camera.state?.phase} ${camera.open_event}`;
    if (state === shown) return;
    shown = state;
    const tags = [stateTag(camera.state?.phase)];
    if (camera.open_event) tags.push(alarmTag());
    element.replaceChildren(...tags);
  };
  return { element, update };
}

// The server's sentences may come without their full stop; they often begin with an address.
const withFullStop = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);

// What is wrong with a camera or worth knowing of it, or "" where nothing is.
export function troubleText(camera) {
  const { phase, error, notice, silent_s: silent, retry_s: retry } = camera.state ?? {};
  if (phase === "live") return notice ? `It ${withFullStop(notice)}` : "";
  if (phase === "connecting" && !error) return "";
  const parts = [];
  if (error) parts.push(withFullStop(error));
  if (phase === "stalled" && silent) parts.push(`No frame for ${duration(silent)}.`);
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
  const live = new LivePicture(name, signal, route.query.heat === "1");
  const heat = h("input", { type: "checkbox", checked: live.heat });
  heat.addEventListener("change", () => {
    live.heat = heat.checked;
    replaceAddress(["cameras", name], { heat: heat.checked ? 1 : "" });
  });
  const outline = h("div", { class: "outline" });
  live.element.append(outline);
  const tags = stateTags(), line = sparkline(), facts = factList();
  const trouble = h("p", { class: "callout warn", hidden: true });
  const score = h("span", { class: "number strong" });
  const budgetPlace = h("div", {}), zonesPlace = h("div", {});
  const revisions = historyPanel(name, signal, async () => drawPanels());

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
    const isEditing = outline.querySelector(".editing");
    if (!isEditing) outline.replaceChildren(zonesOverlay(camera.zones));
  }

  function update() {
    const camera = store.cameras.get(name);
    if (!camera) return;
    tags.update(camera);
    setText(score, formatScore(camera.score));
    score.classList.toggle("high", camera.score > 0.5);
    const text = troubleText(camera);
    trouble.hidden = !text;
    setText(trouble, text);
    line.update(camera.recent);
    facts.update(cameraFacts(camera));
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
    trouble,
    h("div", { class: "camera-page spaced" },
      h("div", { class: "stack" },
        h("div", { class: "card tile large" },
          h("div", { class: "screen" }, live.element, tags.element),
          h("div", { class: "under" },
            h("div", { class: "row apart" },
              h("p", {}, "Score ", score,
                h("span", { class: "soft small" }, " · unusual above 0.5")),
              h("label", { class: "check" }, heat, "Heat map")),
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
        zonesPlace, revisions.element,
        h("section", { class: "card pad stack", "aria-labelledby": "facts-title" },
          h("h2", { id: "facts-title" }, "Details"), facts.element))));

  for (const change of ["cameras", "status"]) subscribe(change, update, signal);
  drawPanels();
  update();
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
    h("div", { class: "row apart pad-head" }, h("h2", { id: "latest-title" }, "Latest events"),
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
