// Learning a camera: what is asked before, how far it is, and what was recorded for it.

import { duration, formatBudget, formatSize, HOUR, hourAndMinute, shortDay, siteZone, startOfDay }
  from "../shared/format.js";
import { fetchJson, queryString } from "./api.js";
import { busy, field, h, moment, s, setText, zoneNote } from "./dom.js";
import { icon } from "./icons.js";
import { showLearnt } from "./learnt.js";
import { useModel } from "./models.js";
import { askToConfirm, attempt, showDialog, showNotice } from "./notices.js";
import { link, navigate } from "./router.js";
import { store, subscribe } from "./store.js";
import { uploadField, uploadsPanel } from "./uploads.js";

const LOOK_MS = 2000, HOURS_A_DAY = 24;
// What a camera sends where that is not known, in bytes a second: 2 Mbit/s.
const USUAL_RATE = 250000;

const UNITS = [["minutes", 1 / 60], ["hours", 1], ["days", 24], ["weeks", 168]];
// What so many hours, or more, are good for.
const USES = [
  [168, "To rely on: it has seen weekends, market days and weather."],
  [20, "For day and night, and a limit such as 1 per day."],
  [4, "For a part of the day, and a limit such as 6 per hour."],
  [0.75, "To try it: it knows this hour of the day and no other."],
  [0, "A first look: the threshold is a guess."],
];
const SPREADS = [
  { text: "All of the time", share: 1 },
  { text: "5 minutes of every 30: a sixth of the disk", share: 1 / 6, stretch: 5, every: 30 },
];
const STATES = {
  recording: { text: "recording", symbol: "live", colour: "good" },
  training: { text: "training", symbol: "connecting", colour: "calm" },
  paused: { text: "paused", symbol: "stalled", colour: "warn" },
  failed: { text: "failed", symbol: "failed", colour: "alarm" },
  ready: { text: "ready to go live", symbol: "check", colour: "calm" },
  finished: { text: "finished", symbol: "check", colour: "good" },
};
const PARTS = {
  record: "Recording the camera", read: "Reading the footage", health: "Checking camera health",
  "first pass": "Searching for outliers", pretrain: "Training the streams",
  centres: "Finding cluster centres", joint: "Training all parts",
  export: "Exporting the network", calibrate: "Calibrating the threshold",
  guard: "Scoring the footage", parity: "Comparing the exported network", report: "Writing pages",
};

export const loadLearnings = async (signal) => (await fetchJson("learning", { signal })).learnings;

const pathOf = (name, part = "") => `learning/${encodeURIComponent(name)}${part}`;

const orNull = (promise) => promise.catch((error) => {
  if (error.status === 404) return null;
  throw error;
});

// The questions before a camera is learnt; `footage` says how much disk it will take. What
// `prepare(name)` does comes first: it sends recordings, where they are to be learnt from.
export function learnFields(footage, isFile = false) {
  const number = h("input", { type: "number", min: "0", step: "any", class: "narrow",
    required: true, value: "1", id: "watch-length" });
  const unit = h("select", { "aria-label": "Unit of the time" },
    UNITS.map(([text, hours]) => h("option", { value: String(hours) }, text)));
  unit.value = "24";
  const spread = h("select", {},
    SPREADS.map(({ text }, place) => h("option", { value: String(place) }, text)));
  const keep = h("input", { type: "checkbox" }), atOnce = h("input", { type: "checkbox" });
  const stream = h("input", { type: "text", placeholder: "the one that is watched",
    autocomplete: "off", spellcheck: "false", inputmode: "url" });
  const armed = h("input", { type: "text", placeholder: "always", autocomplete: "off",
    spellcheck: "false" });
  const recorded = footage?.segments.length
    ? h("input", { type: "checkbox" }) : null;
  const questions = h("div", { class: "stack" }), upload = uploadField();
  const from = h("select", {},
    h("option", { value: "camera" }, "What the camera shows from now on"),
    h("option", { value: "upload" }, "Recordings that I have"));
  const sending = h("div", { class: "stack tight", hidden: true }, upload.element,
    h("p", { class: "soft small" }, "Recordings of this camera in which nothing unusual happens."));
  const isSent = () => !isFile && from.value === "upload" && !recorded?.checked;
  const use = h("p", { class: "soft small" }), disk = h("p", { class: "small" });
  const chosen = () => ({
    hours: Number(number.value) * Number(unit.value),
    spread: SPREADS[Number(spread.value)],
  });
  const say = () => {
    const { hours, spread: { share } } = chosen();
    const rate = footage?.bytes_per_s ?? USUAL_RATE;
    const need = (rate * 3600 * hours * share) / 1e9, free = footage?.free_bytes / 1e9;
    setText(use, USES.find(([least]) => hours >= least)[1]);
    const measured = footage?.bytes_per_s ? "This camera sends" : "At";
    const room = free ? `, and ${formatSize(free)} are free` : "";
    setText(disk, `${measured} ${((8 * rate) / 1e6).toFixed(1)} Mbit/s: the video takes about `
      + `${formatSize(need)}${room}. It has no sound.`);
    disk.classList.toggle("high", Boolean(free) && need > free);
  };
  for (const one of [number, unit, spread]) one.addEventListener("input", say);
  say();
  questions.append(
    h("div", { class: "field" },
      h("label", { for: number.id }, "How long to watch"), h("div", { class: "row" }, number, unit),
      use),
    h("div", { class: "stack tight" }, field("How much of that to record", spread), disk),
    field("Another stream of the camera", stream, "Most cameras send a second, smaller stream. To "
      + "record it takes less, and is as good. Its path, such as /stream2, or its whole address."),
    field("Hours of the week", armed, "Such as mon-fri 08:00-18:00, where other hours do not "
      + `matter. They are meant in the time zone of the site, ${siteZone()}.`));
  const showFrom = () => {
    fromField.hidden = Boolean(recorded?.checked);
    sending.hidden = !isSent();
    questions.hidden = isSent() || Boolean(recorded?.checked);
    keepLabel.hidden = isSent();
  };
  const fromField = field("Learn from", from);
  const keepLabel = h("label", { class: "check" }, keep, "Keep the video when the model is live");
  for (const one of [from, recorded].filter(Boolean)) one.addEventListener("change", showFrom);
  showFrom();
  const element = h("div", { class: "stack" }, isFile
    ? h("p", { class: "soft small" }, "It is learnt from the recording as it is.")
    : [recorded && h("label", { class: "check" }, recorded,
      `Learn from the ${duration(3600 * footage.hours)} of video that are recorded, and no more`),
    fromField, sending, questions, keepLabel],
  h("label", { class: "check" }, atOnce,
    "Go live at once; otherwise you see first what the model would have alarmed"));
  return {
    element,
    prepare: async (name) => { if (isSent()) await upload.send(name); },
    value: () => {
      const { hours, spread: { stretch, every } } = chosen();
      const rest = { keep_footage: keep.checked, at_once: atOnce.checked };
      if (isFile) return rest;
      if (isSent()) return { uploads: true, ...rest };
      if (recorded?.checked) return { hours: 0, ...rest };
      const text = armed.value.trim();
      const when = text ? { armed: [text], time_zone: siteZone() } : {};
      const other = stream.value.trim() ? { stream: stream.value.trim() } : {};
      return { ...other, hours, stretch_minutes: stretch ?? null, every_minutes: every ?? null,
        ...when, ...rest };
    },
  };
}

export const beginLearning = (body) => fetchJson("learning", { method: "POST", body });

function stateTag(state) {
  const { text, symbol, colour } = STATES[state];
  return h("span", { class: `tag ${colour}` }, icon(symbol), text);
}

const progressText = ({ done, total, part, share, seconds_left: left, state }) => {
  if (state === "ready") return "The model is there: see what it has found, and go live.";
  if (!part) return state === "recording" ? "Connecting to the camera …" : "Starting …";
  const words = PARTS[part] ?? part;
  if (part === "record") return `${words}: ${duration(done)} of ${duration(total)}`;
  const time = left ? `, about ${duration(left)} left in this step` : "";
  return total > 1 ? `${words}: ${Math.round(100 * share)} %${time}` : words;
};

// A card of the grid for a camera that is being learnt.
export function learningCard(learning) {
  const { name, state, share, error } = learning;
  return h("article", { class: "card pad stack learning", "aria-label": `Learning ${name}` },
    h("div", { class: "row apart" },
      h("h2", {}, h("a", { href: link(["cameras", name, "learn"]) }, name)), stateTag(state)),
    state !== "ready"
      && h("progress", { max: "1", value: String(share), "aria-label": "How far this step is" }),
    h("p", { class: "soft small" }, error ?? progressText(learning)));
}

const factsOf = (learning) => [
  ["Recorded", `${duration(3600 * learning.recorded_hours)}, `
    + formatSize(learning.recorded_bytes / 1e9)],
  ["False alarms", formatBudget(learning.false_alarms)],
  ...Object.entries(learning.held_out).map(([loss, value]) =>
    [`Held-out ${loss} loss`, value.toPrecision(3)]),
];

// What a panel is drawn anew for; all else is put right in place, so that nobody loses a button.
const shapeOf = ({ state, error, notices, model, held_out: heldOut }) =>
  JSON.stringify([state, error, notices, model, Object.keys(heldOut)]);

// How far a learning is, and what can be done about it.
function learningPanel(learning, reload) {
  const { name, state, notices, error, model, previous } = learning;
  let latest = learning;
  const post = (part, text) => {
    const button = h("button", { type: "button" }, text);
    button.addEventListener("click", busy(button, () => attempt(async () => {
      await fetchJson(pathOf(name, `/${part}`), { method: "POST" });
      await reload();
    })));
    return button;
  };
  const cancel = h("button", { type: "button", class: "danger" },
    state === "finished" ? "Forget" : "Cancel");
  cancel.addEventListener("click", busy(cancel, () => cancelLearning(latest, reload)));
  const isRunning = state === "recording" || state === "training";
  const isTrained = state === "ready" || state === "finished";
  const bar = h("progress", { max: "1", "aria-label": "How far this step is" });
  const words = h("p", {});
  const values = factsOf(learning).map(([term]) => [h("dt", {}, term), h("dd", {})]);
  const update = (now) => {
    latest = now;
    bar.value = now.share;
    setText(words, progressText(now));
    factsOf(now).forEach(([, text], place) => setText(values[place][1], text));
  };
  update(learning);
  const element = h("section", { class: "card pad stack", "aria-labelledby": "learning-title" },
    h("div", { class: "row apart" }, h("h2", { id: "learning-title" }, "Learning"),
      stateTag(state)),
    !isTrained && h("div", { class: "stack tight" }, bar, words),
    error && h("p", { class: "callout bad" }, error),
    state === "ready" && h("p", { class: "callout" }, progressText(learning)),
    state === "finished" && h("p", { class: "callout good" },
      "The camera is watched with its own model now."),
    h("dl", { class: "facts" }, values),
    notices.length > 0 && h("details", {}, h("summary", {}, "What is worth knowing"),
      h("ul", { class: "notes small" }, notices.map((text) => h("li", {}, text)))),
    h("div", { class: "row" },
      state === "finished" && h("a", { class: "button main", href: link(["cameras", name]) },
        "See the camera"),
      state === "finished" && previous && previousButton(name, previous),
      isRunning && post("pause", "Pause"),
      state === "paused" && post("resume", "Go on"),
      state === "failed" && post("resume", "Try again"),
      cancel));
  return { element, update, shape: shapeOf(learning) };
}

// Takes the model back that the camera had before.
function previousButton(name, previous) {
  const back = h("button", { type: "button" }, icon("back"), "Use the model of before");
  back.addEventListener("click", busy(back, () => attempt(async () => {
    if (!await useModel(name, previous)) return;
    showNotice(`${name} is watched with the model of before.`);
  })));
  return back;
}

async function cancelLearning({ name, state, recorded_hours: hours }, reload) {
  const text = state === "finished" || state === "ready"
    ? "The model stays; only this page forgets how it came to be."
    : "What was trained so far is deleted.";
  const answer = await showDialog("Cancel the learning?", h("p", {}, text), [
    { text: "Back", value: "" },
    hours > 0 && { text: "Delete the video too", value: "all", class: "danger" },
    { text: hours > 0 ? "Keep the video" : "Yes", value: "keep", class: "main" },
  ].filter(Boolean));
  if (!answer) return;
  await attempt(async () => {
    const query = answer === "all" ? "?footage=true" : "";
    await fetchJson(pathOf(name, query), { method: "DELETE" });
    if (store.cameras.has(name)) await reload();
    else navigate(["cameras"]);
  });
}

// What was recorded, a row for each day with a box for each hour.
function footagePanel(footage, reload) {
  const { camera, covered, hours, segments, size_bytes: size } = footage;
  if (!segments.length) return null;
  const days = new Map();
  for (const [hour_us, share] of covered) {
    const day = startOfDay(hour_us);
    days.set(day, [...(days.get(day) ?? []), [Math.floor((hour_us - day) / HOUR), share, hour_us]]);
  }
  const box = ([hour, share, hour_us]) => s("rect", { class: "covered", x: hour + 0.05, y: 0,
    width: 0.9, height: 1, opacity: 0.25 + 0.75 * share },
  s("title", {}, `${hourAndMinute(hour_us)}: ${Math.round(60 * share)} min`));
  const row = ([day, boxes]) => h("div", { class: "calendar-row" },
    h("span", { class: "small soft" }, shortDay(day)),
    s("svg", { viewBox: `0 0 ${HOURS_A_DAY} 1`, preserveAspectRatio: "none", role: "img",
      "aria-label": `${shortDay(day)}: ${boxes.length} hours with video` },
    s("rect", { class: "all", x: 0, y: 0, width: HOURS_A_DAY, height: 1 }), boxes.map(box)));
  const remove = h("button", { type: "button", class: "danger" }, "Delete the video");
  remove.addEventListener("click", busy(remove, async () => {
    if (!await askToConfirm("Delete the video?",
      `${duration(3600 * hours)} of video of ${camera} are deleted.`, "Delete")) return;
    await attempt(async () => {
      await fetchJson(`footage/${encodeURIComponent(camera)}`, { method: "DELETE" });
      await reload();
    });
  }));
  return h("section", { class: "card pad stack", "aria-labelledby": "footage-title" },
    h("h2", { id: "footage-title" }, "Recorded video ", zoneNote()),
    h("p", { class: "soft small" }, `${duration(3600 * hours)}, ${formatSize(size / 1e9)}, from `,
      moment(segments[0].start_us), " to ", moment(segments.at(-1).start_us), "."),
    h("div", { class: "calendar" }, [...days].map(row), h("div", { class: "calendar-row" },
      h("span", {}), h("div", { class: "hours small soft", "aria-hidden": "true" },
        ["0:00", "6:00", "12:00", "18:00"].map((text) => h("span", {}, text))))),
    h("div", {}, remove));
}

// The form that begins to learn a camera that is watched.
function beginPanel(name, footage, reload) {
  const fields = learnFields(footage, store.cameras.get(name)?.kind === "file");
  const begin = h("button", { class: "main" }, "Learn this camera");
  const form = h("form", { class: "card pad stack form" },
    h("h2", {}, "A model of its own"),
    h("p", {}, "Oddframe records the camera, learns what is normal there, and then watches it with "
      + "the new model. The model of now watches on meanwhile, and stays at hand."),
    fields.element, h("div", { class: "row" }, begin));
  form.addEventListener("submit", busy(begin, () => attempt(async () => {
    // For the limit that the camera has now.
    const camera = store.cameras.get(name), limit = camera?.budget ?? camera?.false_alarms;
    const given = limit ? { name, false_alarms: limit } : { name };
    await fields.prepare(name);
    await beginLearning({ ...given, ...fields.value() });
    await reload();
  })));
  return form;
}

export async function learnPage(place, name, signal) {
  const body = h("div", { class: "learn-page spaced" });
  const places = ["learning", "learnt", "begin", "footage", "uploads"]
    .map((key) => h("div", { class: "stack", data: { key } }));
  const [learningPlace, learntPlace, beginPlace, footagePlace, uploadsPlace] = places;
  body.append(...places);
  let panel = null, shownFootage = "", shownUploads = "", isFree = null;
  const fill = (where, element) => {
    where.replaceChildren(...(element ? [element] : []));
    where.hidden = !element;
  };
  async function load() {
    const [learning, footage, { uploads }] = await Promise.all([
      orNull(fetchJson(pathOf(name), { signal })),
      orNull(fetchJson(`footage/${encodeURIComponent(name)}`, { signal })),
      fetchJson(`uploads${queryString({ camera: name })}`, { signal }),
    ]);
    if (!learning && !store.cameras.has(name)) {
      throw new Error(`There is no camera with the name “${name}”. It may have been removed.`);
    }
    if (learning && panel?.shape === shapeOf(learning)) panel.update(learning);
    else {
      panel = learning && learningPanel(learning, load);
      fill(learningPlace, panel?.element);
      await showLearnt(learntPlace, learning, pathOf(name), signal, load);
    }
    // A form keeps what was chosen in it.
    const isFreeNow = (!learning || learning.state === "finished") && store.cameras.has(name);
    if (isFreeNow !== isFree) fill(beginPlace, isFreeNow && beginPanel(name, footage, load));
    isFree = isFreeNow;
    const segments = JSON.stringify(footage?.segments);
    if (segments !== shownFootage) fill(footagePlace, footage && footagePanel(footage, load));
    shownFootage = segments;
    const sent = JSON.stringify(uploads);
    if (sent !== shownUploads) fill(uploadsPlace, uploadsPanel(name, uploads, load));
    shownUploads = sent;
  }
  const isWatched = store.cameras.has(name);
  const back = isWatched ? link(["cameras", name]) : "#/cameras";
  place.append(h("div", { class: "head" }, h("div", { class: "titles" },
    h("a", { class: "crumb", href: back }, icon("left"), isWatched ? name : "Cameras"),
    h("h1", {}, `Learn ${name}`))), body);
  await load();
  const reload = () => load().catch(() => {});
  const timer = setInterval(() => { if (!document.hidden) reload(); }, LOOK_MS);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  subscribe("changed", (change) => { if (change.what === "learning") reload(); }, signal);
}
