// The page Events: stacks of like events beside the event that is looked at. After a verdict the
// next stack without one is shown, so a morning's review is a key for each stack.

import { count } from "../shared/format.js";
import { fetchJson, queryString } from "./api.js";
import { busy, h, setText, zoneNote } from "./dom.js";
import { apiFilters, eventFilters, filtersOf, hasFilters } from "./event_filters.js";
import { EventContext, EventPanel, loneStack } from "./event_panel.js";
import { icon } from "./icons.js";
import { listenToKeys } from "./keys.js";
import { showError } from "./notices.js";
import { judge, setApart, undoLast, VERDICTS } from "./review.js";
import { currentRoute, link, navigate, pushAddress, replaceAddress } from "./router.js";
import { StackList } from "./stack_list.js";
import { camerasLoaded, store, subscribe } from "./store.js";

// The first page is asked for in early.js already, by this number.
const PAGE = 30, MOST_LOADED = 200;

// However many events come, the list is loaded at most this often.
const RELOAD_MS = 1500;

// From this width on the list and the event stand side by side, as in views.css.
const WIDE_PX = 900;

export async function show(place, route, signal) {
  const query = filtersOf(route.query);
  let row = null;
  const summary = h("p", { class: "soft small summary", role: "status" });
  const older = h("button", { type: "button", class: "older" }, "Show more");
  const side = h("div", { class: "beside panel-place" });
  const gone = h("div", { class: "card empty", hidden: true }, icon("events"),
    h("h2", {}, "This event does not exist any more"),
    h("p", {}, "Events are deleted after some time, 30 days unless it was set otherwise."),
    h("a", { class: "button main", href: link(["events"], query) }, "Show all events"));
  const context = new EventContext(signal);
  const panel = new EventPanel({ onTime: (us) => context.moveCursor(us),
    onVerdict: (verdict) => giveVerdict(verdict, { ofSelection: false }),
    onApart: takeOut, onShow: (event) => look(event, panel.stack) });
  const list = new StackList({ query, emptyPage: () => emptyList(query), onSelect: drawSelection,
    onChoose: (stack) => {
      pushAddress(["events", String(stack.event.row)], query);
      look(stack.event, stack);
      if (innerWidth < WIDE_PX) scrollTo(0, 0);
    } });
  const selection = h("div", { class: "selection", role: "group", "aria-label": "Selected",
    hidden: true });

  async function fetchStacks(offset, limit) {
    const asked = queryString({ ...apiFilters(query), offset: offset || null, limit });
    const answer = await fetchJson(`stacks${asked}`, { signal });
    const { stack_count, event_count, cut } = answer;
    const stacks = count(stack_count, "stack"), events = count(event_count, "event");
    setText(summary, stack_count === event_count ? events : `${events} on ${stacks}`);
    if (cut) summary.append(" · older ones are left out: choose a shorter time");
    older.hidden = offset + answer.stacks.length >= stack_count;
    return answer.stacks;
  }

  async function loadMore() {
    const known = new Set(list.stacks.flatMap((stack) => stack.rows));
    const found = await fetchStacks(list.stacks.length, PAGE);
    list.stacks.push(...found.filter((stack) => !stack.rows.some((one) => known.has(one))));
    list.draw();
  }

  // Loads again what is shown, and keeps what is looked at.
  async function reload() {
    const size = Math.min(MOST_LOADED, Math.max(PAGE, list.stacks.length));
    list.stacks = await fetchStacks(0, size);
    list.draw();
    const stack = row === null ? null : list.stackOf(row);
    if (!stack || panel.event?.row !== row) return;
    const event = stack.pictured.find((one) => one.row === row) ?? panel.event;
    panel.show(event, { stack });
  }

  let reloadTimer = null;
  function reloadSoon() {
    reloadTimer ??= setTimeout(() => {
      reloadTimer = null;
      if (!signal.aborted) reload().catch(showError);
    }, RELOAD_MS);
  }

  // Takes over an event that has begun, gone on, ended or been judged.
  function update(event) {
    if (list.update(event)) list.draw();
    if (event.row === row && panel.event !== event) panel.show(event);
    reloadSoon();
  }

  // Shows an event of a stack, or none where it is null.
  function look(event, stack, options = {}) {
    row = event?.row ?? null;
    list.chosen = row;
    panel.element.hidden = context.element.hidden = event === null;
    gone.hidden = true;
    side.hidden = event === null;
    place.classList.toggle("shows-event", event !== null);
    if (event) {
      panel.show(event, { stack, ...options });
      context.show(event);
    }
    list.markCurrent();
  }

  // Shows the event of the address, which may be in no stack that is loaded, or gone.
  async function lookAt(wanted) {
    // The link in an alert has the lasting key of an event in place of its row.
    const isKey = !/^\d+$/.test(wanted);
    let stack = list.stackOf(Number(wanted));
    let event = stack?.pictured.find((one) => one.row === Number(wanted)) ?? null;
    try {
      const path = `events/${isKey ? "by-key/" : ""}${encodeURIComponent(wanted)}`;
      event ??= await fetchJson(path, { signal });
      stack ??= list.stackOf(event.row);
    } catch (error) {
      if (error.status !== 404 && error.status !== 422) throw error;
      look(null);
      side.hidden = gone.hidden = false;
      place.classList.add("shows-event");
      return;
    }
    look(event, stack ?? loneStack(event));
  }

  function go(stack) {
    replaceAddress(["events", String(stack.event.row)], query);
    look(stack.event, stack);
  }

  function step(direction) {
    const { stacks } = list;
    if (!stacks.length) return;
    const index = stacks.findIndex((stack) => stack.rows.includes(row));
    go(stacks[Math.min(stacks.length - 1, Math.max(0, index + direction))]);
  }

  // The stack after this one that nobody has judged, or else the first such one.
  function nextUnjudged(judged) {
    const { stacks } = list;
    const index = stacks.findIndex((stack) => stack.rows.includes(judged.at(-1)));
    const isUnjudged = (stack) => !stack.event.verdict && !judged.includes(stack.rows[0]);
    return stacks.slice(index + 1).find(isUnjudged) ?? stacks.find(isUnjudged);
  }

  // Judges what is selected or, without a selection, the stack that is looked at.
  async function giveVerdict(verdict, { ofSelection = true } = {}) {
    const selected = ofSelection ? list.selectedStacks : [];
    const isAlone = !selected.length && panel.stack?.rows.length === 1;
    if (!selected.length && (side.hidden || !panel.event)) return;
    const rows = selected.length ? selected.flatMap((stack) => stack.rows) : panel.stack.rows;
    // The verdict that an event has already is taken back.
    const isTakenBack = isAlone && panel.event.verdict === verdict;
    const shown = panel.event;
    const events = await judge(rows, isTakenBack ? null : verdict, (undone) => {
      takeOver(undone);
      const before = row;
      // With a filter by verdict they were gone from the list. Who has gone on stays there.
      reload().then(() => shown && row === before && lookAt(shown.row)).catch(showError);
    });
    if (!events) return;
    takeOver(events);
    if (selected.length) list.clearSelection();
    const next = isTakenBack || shown?.row !== row ? null : nextUnjudged(rows);
    if (next) go(next);
  }

  function takeOver(events) {
    for (const event of events) list.update(event);
    list.draw();
    const shown = events.find((event) => event.row === row);
    if (shown) panel.show(shown);
    reloadSoon();
  }

  function takeOut(event) {
    setApart(event, async () => {
      try {
        await reload();
        await lookAt(event.row);
      } catch (error) {
        showError(error);
      }
    });
  }

  function drawSelection() {
    const stacks = list.selectedStacks;
    const events = stacks.reduce((sum, stack) => sum + stack.rows.length, 0);
    selection.hidden = !stacks.length;
    selection.replaceChildren(
      h("span", { class: "strong small" }, `${count(events, "event")} selected`),
      ...Object.entries(VERDICTS).map(([name, { text, symbol }]) => h("button",
        { type: "button", onclick: () => giveVerdict(name) }, icon(symbol), text)),
      h("button", { type: "button", class: "quiet", onclick: () => list.clearSelection() },
        "Select none"));
  }

  older.addEventListener("click", busy(older, () => loadMore().catch(showError)));
  listenToKeys({
    n: () => step(1), p: () => step(-1),
    y: () => giveVerdict("important"), x: () => giveVerdict("normal"),
    u: () => giveVerdict("unsure"), z: undoLast,
    " ": () => panel.player.togglePlay(),
    ArrowLeft: () => panel.player.step(-1), ArrowRight: () => panel.player.step(1),
  }, signal);
  signal.addEventListener("abort", () => {
    panel.player.stop();
    clearTimeout(reloadTimer);
  }, { once: true });
  subscribe("event", update, signal);
  subscribe("changed", (change) => {
    if (["events", "reviews"].includes(change.what)) reloadSoon();
  }, signal);

  await Promise.all([loadMore(), camerasLoaded()]);
  // What an empty list says depends on whether there are cameras.
  if (!list.stacks.length) list.draw();
  place.classList.add("events-view");
  const back = h("a", { class: "crumb back", href: link(["events"], query) },
    icon("left"), "All events");
  back.addEventListener("click", (event) => {
    event.preventDefault();
    replaceAddress(["events"], query);
    look(null);
  });
  side.append(back, gone, panel.element, context.element);
  // Of the address and not of this view: who is quick changes a second filter before the view with
  // the first one is there.
  const filters = eventFilters(query, (name, value) =>
    navigate(["events"], filtersOf({ ...currentRoute().query, [name]: value })));
  place.append(
    h("div", { class: "head" },
      h("div", { class: "titles" }, h("h1", {}, "Events"), zoneNote()), filters.head),
    filters.more,
    h("div", { class: "events-page spaced" },
      h("div", { class: "card list-card" }, summary, list.element, older, selection), side));
  // Where there is room, the first stack stands beside the list; a phone shows the list alone.
  if (route.path[1] !== undefined) await lookAt(route.path[1]);
  else if (innerWidth >= WIDE_PX && list.stacks.length) {
    look(list.stacks[0].event, list.stacks[0]);
    place.classList.remove("shows-event");
  } else look(null);
}

function emptyList(query) {
  const page = (title, text, button) =>
    h("div", { class: "empty" }, icon("events"), h("h2", {}, title), h("p", {}, text), button);
  if (hasFilters(query)) {
    return page("No matching events",
      "No event matches these filters. Remove a filter to see more.",
      h("a", { class: "button", href: "#/events" }, "Show all events"));
  }
  if (!store.cameras.size) {
    return page("No events yet", "There is no camera yet. Add one to see its unusual events here.",
      h("a", { class: "button main", href: "#/cameras/new" }, "Add a camera"));
  }
  return page("No events yet", "Nothing unusual has been seen so far. An event appears here, "
    + "with a picture, as soon as it begins.");
}
