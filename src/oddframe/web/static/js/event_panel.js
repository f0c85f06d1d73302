// One event: as a row of a list, and as a panel with its clip, its reason, the verdict, and the
// score around it. Every view that shows events uses these.

import { capitalize, dayAndTime, duration, formatScore, now, SECOND, timeOfDay }
  from "../shared/format.js";
import { ViewRange } from "../shared/time_chart.js";
import { fetchJson, safeUrl } from "./api.js";
import { reasonBars } from "./charts.js";
import { ClipPlayer } from "./clip_player.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { attempt, showNotice } from "./notices.js";
import { link } from "./router.js";
import { ScoreStrip, TimeAxis } from "./score_strip.js";

const VERDICTS = {
  normal: { text: "Normal", symbol: "check", colour: "calm", key: "x" },
  important: { text: "Important", symbol: "important", colour: "alarm", key: "y" },
  unsure: { text: "Unsure", symbol: "unsure", colour: "warn", key: "u" },
};

const isHealth = (event) => event.kind === "health";

// Reasons of camera faults are sentences; as a title they stand without the full stop.
export const reasonTitle = (event) => capitalize(event.reason).replace(/\.$/, "");

function verdictTag(verdict) {
  if (!verdict) return h("span", { class: "tag" }, "not reviewed");
  const { text, symbol, colour } = VERDICTS[verdict];
  return h("span", { class: `tag ${colour}` }, icon(symbol), text);
}

function durationText(event) {
  return event.end_us ? duration((event.end_us - event.start_us) / SECOND) : "still going on";
}

// An event in a list: its picture, when, where, why, and the verdict.
export function eventRow(event, query = {}, isCurrent = false) {
  const picture = event.snapshot
    ? h("img", { src: safeUrl(event.snapshot), alt: "", loading: "lazy" })
    : h("span", { class: "blank" }, icon(isHealth(event) ? "health" : "events"));
  const facts = isHealth(event) ? h("span", { class: "tag warn" }, "camera")
    : h("span", { class: event.end_us ? "soft" : "high" },
      `${formatScore(event.score)} · ${durationText(event)}`);
  return h("a", { class: "event-row", href: link(["events", String(event.row)], query),
    data: { row: event.row }, "aria-current": isCurrent ? "true" : null },
    picture,
    h("span", { class: "row-text" },
      h("span", { class: "strong" }, reasonTitle(event)),
      h("span", { class: "small soft number" },
        `${event.camera} · ${dayAndTime(event.start_us)}`),
      h("span", { class: "small number marks" }, facts, verdictTag(event.verdict),
        event.note && h("span", { class: "soft", title: event.note }, "note"))));
}

let saving = Promise.resolve();

// Saves a verdict and resolves with the event as it is then, or with null where that failed. One
// is saved after the other: the answer for an older note must not come after that for a newer one.
function saveVerdict(event, verdict, note = event.note ?? "") {
  const save = async () => {
    let reviewed = null;
    await attempt(async () => {
      const body = { verdict, note };
      reviewed = await fetchJson(`events/${event.row}/review`, { method: "PUT", body });
      document.dispatchEvent(new CustomEvent("reviewed", { detail: reviewed }));
    });
    return reviewed;
  };
  saving = saving.then(save);
  return saving;
}

// Gives a verdict, or takes it back where it is given already.
export function toggleVerdict(event, verdict, note) {
  return saveVerdict(event, event.verdict === verdict ? null : verdict, note);
}

function verdictPart(event, onReviewed) {
  const note = h("textarea", { rows: "2", maxlength: "2000", "aria-label": "Note",
    placeholder: "A note, for example: the gardener, every Tuesday" }, event.note ?? "");
  const give = async (verdict) => {
    const reviewed = await toggleVerdict(event, verdict, note.value);
    if (reviewed) onReviewed(reviewed);
  };
  const buttons = Object.entries(VERDICTS).map(([name, { text, symbol, key }]) =>
    h("button", { type: "button", "aria-pressed": String(event.verdict === name),
      "aria-keyshortcuts": key, onclick: () => give(name) },
      icon(symbol), text, h("kbd", { "aria-hidden": "true" }, key)));
  note.addEventListener("change", async () => {
    const reviewed = await saveVerdict(event, event.verdict, note.value);
    if (!reviewed) return;
    event.note = reviewed.note;
    showNotice("Note saved.");
  });
  const canRecalibrate = event.verdict === "normal" && event.kind === "anomaly";
  const preview = link(["cameras", event.camera, "recalibrate"]);
  return h("div", { class: "verdict stack tight" },
    h("p", { class: "soft small", id: "verdict-title" }, "Your verdict"),
    h("div", { class: "row judge", role: "group", "aria-labelledby": "verdict-title" }, buttons),
    note,
    canRecalibrate && h("div", { class: "callout" },
      h("p", {}, "Marked as normal. Recalibrate the camera to raise no alarm for similar events."),
      h("div", {}, h("a", { class: "button main", href: preview }, "Preview recalibration"))));
}

// All about one event: clip, reason, times, verdict.
export class EventPanel {
  // `onReviewed` is called with an event that has a new verdict, `onTime` with the time in the
  // clip that is shown. `view` is the view that the panel is in: "events" or "timeline".
  constructor({ onReviewed, onTime, view = "events" } = {}) {
    this.onReviewed = onReviewed;
    this.view = view;
    this.player = new ClipPlayer({ onTime });
    this.facts = h("div", { class: "event-facts" });
    this.element = h("article", { class: "card event-panel", "aria-live": "off" },
      this.player.element, this.facts);
    this.event = null;
  }

  show(event, options = {}) {
    const isSame = this.event !== null && this.event.row === event.row;
    const isTyping = isSame && this.facts.contains(document.activeElement)
      && document.activeElement.matches("textarea");
    this.event = event;
    this.player.show(event, options);
    // An update must not take away what somebody is writing.
    if (!isTyping) this.draw(isSame);
  }

  draw(keepFocus) {
    const { event } = this;
    const buttons = () => [...this.facts.querySelectorAll("button")];
    const focused = keepFocus ? buttons().indexOf(document.activeElement) : -1;
    const place = { camera: event.camera, at: event.start_us, event: event.row };
    const otherView = this.view === "events"
      ? h("a", { href: link(["timeline"], place) }, "Show on the timeline")
      : h("a", { href: link(["events", String(event.row)]) }, "Show in Events");
    const fact = (term, text) => h("div", {}, h("dt", {}, term), h("dd", {}, text));
    this.facts.replaceChildren(
      h("div", { class: "stack tight" },
        h("div", { class: "row apart" },
          h("h2", {}, reasonTitle(event)), verdictTag(event.verdict)),
        h("p", { class: "soft small number" },
          h("a", { href: link(["cameras", event.camera]) }, event.camera),
          ` · ${dayAndTime(event.start_us)} · `, otherView)),
      h("dl", { class: "times" },
        fact("Start", timeOfDay(event.start_us)),
        isHealth(event) ? fact("Kind", "camera") : fact("Peak", timeOfDay(event.peak_us)),
        fact("Duration", durationText(event)),
        fact("Score", isHealth(event) ? "–" : formatScore(event.score))),
      reasonBars(event),
      verdictPart(event, (reviewed) => {
        this.show(reviewed);
        this.onReviewed?.(reviewed);
      }));
    if (focused >= 0) buttons()[focused]?.focus({ preventScroll: true });
  }
}

const CONTEXT_US = 120 * SECOND;
const MOST_EVENT_US = 10 * CONTEXT_US;

// The score in the minutes around an event; `moveCursor(us)` shows where its clip is.
export class EventContext {
  constructor(signal) {
    this.signal = signal;
    this.range = new ViewRange(0, 1, 20 * SECOND);
    this.axis = new TimeAxis(this.range);
    this.place = h("div", {});
    this.element = h("section", { class: "card event-context", "aria-labelledby": "context" },
      h("h3", { class: "pad-head", id: "context" }, "Score around the event"), this.place);
    const observer = new ResizeObserver(() => this.draw());
    observer.observe(this.place);
    signal.addEventListener("abort", () => observer.disconnect(), { once: true });
    document.addEventListener("themed", () => this.draw(), { signal });
  }

  show(event) {
    const end_us = Math.min(event.end_us ?? now(), event.start_us + MOST_EVENT_US);
    this.range.setBounds(event.start_us - CONTEXT_US, end_us + CONTEXT_US);
    this.range.showAll();
    this.range.cursor = null;
    if (this.strip?.cameraName !== event.camera) {
      const onLoaded = (error) => { if (!error) this.draw(); };
      this.strip = new ScoreStrip(event.camera, this.range, this.signal, onLoaded);
      this.strip.canvas.classList.add("still-strip");
      this.place.replaceChildren(this.strip.element, this.axis.element);
    }
    this.strip.events = [event];
    this.strip.chosenRow = event.row;
    this.draw();
  }

  moveCursor(us) {
    this.range.cursor = us;
    this.draw();
  }

  draw() {
    this.strip?.draw(now());
    this.axis.draw();
  }
}
