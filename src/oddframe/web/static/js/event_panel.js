// One event: as a row of a list, and as a panel with its clip, its reason, the verdict, and the
// score around it. Every view that shows events uses these.

import { capitalize, duration, formatScore, fullTime, now, SECOND, timeOfDay }
  from "../shared/format.js";
import { ViewRange } from "../shared/time_chart.js";
import { fetchJson, safeUrl } from "./api.js";
import { reasonBars } from "./charts.js";
import { ClipPlayer } from "./clip_player.js";
import { busy, h, moment, setText, zoneNote } from "./dom.js";
import { icon } from "./icons.js";
import { attempt, copyLink, showNotice } from "./notices.js";
import { isLesson, loadLesson, saveVerdict, toggleVerdict, VERDICTS } from "./review.js";
import { link } from "./router.js";
import { ScoreStrip, TimeAxis } from "./score_strip.js";

const isHealth = (event) => event.kind === "health";
const clockTime = (us) => moment(us, timeOfDay(us));

// Reasons of camera faults are sentences; as a title they stand without the full stop.
export const reasonTitle = (event) => capitalize(event.reason).replace(/\.$/, "");

export function verdictTag(verdict) {
  if (!verdict) return h("span", { class: "tag" }, "not reviewed");
  const { text, symbol, colour } = VERDICTS[verdict];
  return h("span", { class: `tag ${colour}` }, icon(symbol), text);
}

function durationText(event) {
  return event.end_us ? duration((event.end_us - event.start_us) / SECOND) : "still going on";
}

// The picture of an event, or a symbol where it has none.
export function thumbnail(event) {
  return event.snapshot ? h("img", { src: safeUrl(event.snapshot), alt: "", loading: "lazy" })
    : h("span", { class: "blank" }, icon(isHealth(event) ? "health" : "events"));
}

// An event in a list: its picture, when, where, why, and the verdict.
export function eventRow(event, query = {}, isCurrent = false) {
  const facts = isHealth(event) ? h("span", { class: "tag warn" }, "camera")
    : h("span", { class: event.end_us ? "soft" : "high" },
      `${formatScore(event.score)} · ${durationText(event)}`);
  return h("a", { class: "event-row", href: link(["events", String(event.row)], query),
    data: { row: event.row }, "aria-current": isCurrent ? "true" : null },
    thumbnail(event),
    h("span", { class: "row-text" },
      h("span", { class: "strong" }, reasonTitle(event)),
      h("span", { class: "small soft number" },
        `${event.camera} · `, moment(event.start_us)),
      h("span", { class: "small number marks" }, facts, verdictTag(event.verdict),
        event.note && h("span", { class: "soft", title: event.note }, "note"))));
}

// What the verdict changes for alarms like this one, or has changed where it is applied.
function lessonPart(event) {
  const words = h("p", { class: "strong", role: "status" }, "Marked as normal.");
  const advice = h("p", {}, "Recalibrate the camera to raise no alarm for similar events.");
  const preview = h("div", {}, h("a", { class: "button main",
    href: link(["cameras", event.camera, "recalibrate"]) }, "Preview recalibration"));
  const box = h("div", { class: "callout lesson" }, words, advice, preview);
  // Without the sentence, as for a camera that is gone, the advice stays.
  loadLesson(event).then(({ sentence, applied_us }) => {
    setText(words, sentence);
    const isApplied = applied_us !== null;
    box.classList.toggle("good", isApplied);
    advice.hidden = preview.hidden = isApplied;
  }, () => {});
  return box;
}

// The buttons of the verdict, the note, and what can be done after "normal". `stack` has the rows
// of all events that the verdict is for; `giveVerdict(verdict, note)` gives it.
function verdictPart(event, stack, giveVerdict) {
  const isStack = stack.rows.length > 1;
  const note = h("textarea", { rows: "2", maxlength: "2000", "aria-label": "Note",
    placeholder: "A note, for example: the gardener, every Tuesday" }, event.note ?? "");
  const buttons = Object.entries(VERDICTS).map(([name, { text, symbol, key }]) =>
    h("button", { type: "button", "aria-pressed": String(event.verdict === name),
      "aria-keyshortcuts": key, onclick: () => giveVerdict(name, note.value) },
      icon(symbol), text, h("kbd", { "aria-hidden": "true" }, key)));
  note.addEventListener("change", async () => {
    const reviewed = await saveVerdict(event, event.verdict, note.value);
    if (!reviewed) return;
    event.note = reviewed.note;
    showNotice("Note saved.");
  });
  const title = isStack ? `Your verdict on all ${stack.rows.length} events` : "Your verdict";
  return h("div", { class: "verdict stack tight" },
    h("p", { class: "soft small", id: "verdict-title" }, title),
    h("div", { class: "row judge", role: "group", "aria-labelledby": "verdict-title" }, buttons),
    note,
    isLesson(event) && lessonPart(event));
}

// What can be taken away from an event: its address and its files.
function takeAway(event) {
  const file = (url, text) => url && h("a", { class: "button quiet", download: "",
    href: `${safeUrl(url)}?download=true` }, icon("save"), text);
  return h("div", { class: "row take-away" },
    h("button", { type: "button", class: "quiet",
      onclick: () => copyLink(link(["events", String(event.row)])) }, icon("link"), "Copy link"),
    file(event.clip, "Clip"), file(event.snapshot, "Picture"),
    event.clip && file(`events/${event.row}/heat.jpg`, "Picture with heat"));
}

const FILM_STEP = 24;
const LOOK_MS = 1500, MOST_LOOKED = 500;

// The events of a stack as small pictures in order of time; those that the list did not bring are
// loaded when somebody asks for them.
function filmPart(event, stack, onShow, onApart) {
  const frame = (one) => h("button", { type: "button", class: "frame",
    "aria-pressed": String(one.row === event.row), "aria-label": fullTime(one.start_us),
    title: fullTime(one.start_us), onclick: () => onShow(one) }, thumbnail(one));
  const known = new Set(stack.pictured.map((one) => one.row));
  const missing = stack.rows.filter((row) => !known.has(row));
  const more = h("button", { type: "button", class: "quiet" }, `Show ${missing.length} more`);
  more.addEventListener("click", busy(more, () => attempt(async () => {
    const found = await Promise.all(missing.slice(0, FILM_STEP)
      .map((row) => fetchJson(`events/${row}`)));
    stack.pictured = [...stack.pictured, ...found]
      .sort((first, second) => first.start_us - second.start_us);
    onShow(event);
  })));
  return h("div", { class: "film-part" },
    h("div", { class: "film", role: "group", "aria-label": "Events of this stack" },
      stack.pictured.map(frame)),
    h("div", { class: "row" },
      h("span", { class: "soft small" }, `${stack.rows.length} similar events`),
      missing.length > 0 && more,
      h("button", { type: "button", class: "quiet not-this", onclick: () => onApart(event),
        title: "Take the event that is shown out of the stack, to judge it by itself" },
        icon("apart"), "Not this one")));
}

// The stack of an event that stands alone.
export const loneStack = (event) => ({ rows: [event.row], event, pictured: [event] });

// All about one event: clip, reason, times, verdict.
export class EventPanel {
  // `onReviewed` is called with an event that has a new verdict, `onTime` with the time in the
  // clip that is shown. `view` is the view that the panel is in: "events" or "timeline".
  // `onVerdict(verdict)`, `onApart(event)` and `onShow(event)` are for stacks: a verdict on all of
  // it, an event that does not belong to it, another event of it to look at.
  constructor({ onReviewed, onTime, view = "events", onVerdict, onApart, onShow } = {}) {
    Object.assign(this, { onReviewed, view, onVerdict, onApart, onShow });
    this.player = new ClipPlayer({ onTime });
    this.facts = h("div", { class: "event-facts" });
    this.element = h("article", { class: "card event-panel", "aria-live": "off" },
      this.player.element, this.facts);
    this.event = this.stack = null;
  }

  // Shows an event; `stack` is the one it belongs to.
  show(event, { stack, ...options } = {}) {
    const isSame = this.event !== null && this.event.row === event.row;
    const isTyping = isSame && this.facts.contains(document.activeElement)
      && document.activeElement.matches("textarea");
    this.stack = stack ?? (isSame ? this.stack : loneStack(event));
    this.event = event;
    this.player.show(event, options);
    // An update must not take away what somebody is writing.
    if (!isTyping) this.draw(isSame);
    if (!isSame) this.noteLook();
  }

  // Tells the server that somebody looks at the events, once they were looked at for a moment.
  noteLook() {
    const { event, stack } = this;
    clearTimeout(this.lookTimer);
    this.lookTimer = setTimeout(() => {
      const isShown = this.event?.row === event.row && this.element.isConnected;
      if (!isShown || document.hidden) return;
      const body = { rows: stack.rows.slice(0, MOST_LOOKED) };
      fetchJson("looks", { method: "POST", body }).catch(() => {});
    }, LOOK_MS);
  }

  async giveVerdict(verdict, note) {
    if (this.onVerdict) {
      this.onVerdict(verdict);
      return;
    }
    const reviewed = await toggleVerdict(this.event, verdict, note);
    if (!reviewed) return;
    this.show(reviewed);
    this.onReviewed?.(reviewed);
  }

  draw(keepFocus) {
    const { event, stack } = this;
    const buttons = () => [...this.facts.querySelectorAll("button")];
    const focused = keepFocus ? buttons().indexOf(document.activeElement) : -1;
    const place = { camera: event.camera, at: event.start_us, event: event.row };
    const otherView = this.view === "events"
      ? h("a", { href: link(["timeline"], place) }, "Show on the timeline")
      : h("a", { href: link(["events", String(event.row)]) }, "Show in Events");
    const fact = (term, text) => h("div", {}, h("dt", {}, term), h("dd", {}, text));
    this.facts.replaceChildren(...[
      h("div", { class: "stack tight" },
        h("div", { class: "row apart" },
          h("h2", {}, reasonTitle(event)),
          h("span", { class: "row" }, verdictTag(event.verdict),
            event.reviewed_by && h("span", { class: "soft small" }, `by ${event.reviewed_by}`))),
        h("p", { class: "soft small number" },
          h("a", { href: link(["cameras", event.camera]) }, event.camera),
          " · ", moment(event.start_us), " ", zoneNote(), " · ", otherView),
        event.description && h("p", { class: "said" }, event.description)),
      h("dl", { class: "times" },
        fact("Start", clockTime(event.start_us)),
        isHealth(event) ? fact("Kind", "camera") : fact("Peak", clockTime(event.peak_us)),
        fact("Duration", durationText(event)),
        fact("Score", isHealth(event) ? "–" : formatScore(event.score))),
      stack.rows.length > 1 && filmPart(event, stack, this.onShow, this.onApart),
      reasonBars(event),
      verdictPart(event, stack, (...given) => this.giveVerdict(...given)),
      takeAway(event),
    ].filter(Boolean));
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
