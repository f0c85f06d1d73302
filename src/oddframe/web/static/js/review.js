// Verdicts: saved one after the other, for one event or for many, and taken back again.

import { count } from "../shared/format.js";
import { fetchJson } from "./api.js";
import { attempt, showNotice } from "./notices.js";

export const VERDICTS = {
  normal: { text: "Normal", symbol: "check", colour: "calm", key: "x" },
  important: { text: "Important", symbol: "important", colour: "alarm", key: "y" },
  unsure: { text: "Unsure", symbol: "unsure", colour: "warn", key: "u" },
};

const MOST_AT_ONCE = 500, MOST_UNDONE = 30;

let saving = Promise.resolve();

// Runs one save after the other: the answer for an older note must not come after that for a newer
// one. Resolves with what `work` gives, or with null where that failed; the error is shown then.
function saveNext(work) {
  const save = async () => {
    let result = null;
    await attempt(async () => { result = await work(); });
    return result;
  };
  saving = saving.then(save);
  return saving;
}

function announce(event) {
  document.dispatchEvent(new CustomEvent("reviewed", { detail: event }));
  return event;
}

// Saves a verdict with its note and resolves with the event as it is then.
export function saveVerdict(event, verdict, note = event.note ?? "") {
  return saveNext(async () => announce(await fetchJson(`events/${event.row}/review`,
    { method: "PUT", body: { verdict, note } })));
}

// Gives a verdict, or takes it back where it is given already.
export function toggleVerdict(event, verdict, note) {
  return saveVerdict(event, event.verdict === verdict ? null : verdict, note);
}

async function writeReviews(reviews) {
  const events = [], before = [];
  for (let first = 0; first < reviews.length; first += MOST_AT_ONCE) {
    const body = { reviews: reviews.slice(first, first + MOST_AT_ONCE) };
    const answer = await fetchJson("reviews", { method: "PUT", body });
    events.push(...answer.events.map(announce));
    before.push(...answer.before);
  }
  return { events, before };
}

// Whether a verdict teaches its camera something.
export const isLesson = (event) => event.verdict === "normal" && event.kind === "anomaly";

// What a verdict changes for alarms like it, in the words of the server: {sentence, applied_us}.
export const loadLesson = (event) => fetchJson(`events/${event.row}/lesson`);

// What was done last comes last: {text, run}.
const undoable = [];

function remember(text, run) {
  undoable.push({ text, run });
  if (undoable.length > MOST_UNDONE) undoable.shift();
  return showNotice(text, { action: { text: "Undo", run: undoLast } });
}

// Takes back what was done last; resolves once that is done.
export async function undoLast() {
  const last = undoable.pop();
  if (!last) {
    showNotice("There is nothing to undo.");
    return;
  }
  if (await last.run()) showNotice(`Undone: ${last.text.replace(/\.$/, "").toLowerCase()}.`);
}

// Gives one verdict to many events, which can be undone; notes stay as they are. Resolves with the
// events as they are then. `onUndone` is called with them as they are after an undo.
export async function judge(rows, verdict, onUndone) {
  const done = await saveNext(() => writeReviews(rows.map((row) => ({ row, verdict }))));
  if (!done) return null;
  const what = verdict ? `marked as ${VERDICTS[verdict].text.toLowerCase()}` : "not reviewed again";
  const addToNotice = remember(`${count(done.events.length, "event")} ${what}.`, async () => {
    const undone = await saveNext(() => writeReviews(done.before));
    if (undone) onUndone?.(undone.events);
    return undone !== null;
  });
  const taught = done.events.filter(isLesson);
  const isOneCamera = new Set(taught.map((event) => event.camera)).size === 1;
  if (isOneCamera) loadLesson(taught[0]).then(({ sentence }) => addToNotice(sentence), () => {});
  return done.events;
}

// Takes an event out of its stack, which can be undone; `onChanged` is called after both.
export async function setApart(event, onChanged) {
  const put = (apart) => saveNext(() =>
    fetchJson(`events/${event.row}/apart`, { method: "PUT", body: { apart } }));
  if (!await put(true)) return;
  onChanged();
  remember("Taken out of its stack.", async () => {
    const isBack = await put(false) !== null;
    if (isBack) onChanged();
    return isBack;
  });
}
