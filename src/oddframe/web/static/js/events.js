// The list of events beside the event that is looked at.

import { longDay, startOfDay } from "../shared/format.js";
import { fetchJson, queryString } from "./api.js";
import { h } from "./dom.js";
import { EventContext, EventPanel, eventRow, toggleVerdict } from "./event_panel.js";
import { icon } from "./icons.js";
import { listenToKeys } from "./keys.js";
import { showError } from "./notices.js";
import { link, navigate, pushAddress, replaceAddress } from "./router.js";
import { store, subscribe } from "./store.js";

const PAGE = 50;

// From this width on the list and the event stand side by side, as in views.css.
const WIDE_PX = 900;

const FILTERS = {
  camera: () => [["", "All cameras"], ...[...store.cameras.keys()].map((name) => [name, name])],
  reason: () => [["", "All reasons"], ["looks wrong", "Looks wrong"],
    ["moves wrong", "Moves wrong"], ["unlike any known pattern", "Unlike any known pattern"]],
  kind: () => [["", "Scene and camera events"], ["anomaly", "Scene events"],
    ["health", "Camera events"]],
  verdict: () => [["", "All verdicts"], ["none", "Not reviewed"], ["important", "Important"],
    ["unsure", "Unsure"], ["normal", "Normal"]],
};

// A row of select boxes; `onChange` is called with the new query.
export function filterRow(query, onChange, names = Object.keys(FILTERS)) {
  const filters = names.map((name) => {
    const options = FILTERS[name]().map(([value, text]) => h("option", { value }, text));
    const select = h("select", { "aria-label": name }, options);
    select.value = query[name] ?? "";
    select.addEventListener("change", () => onChange({ ...query, [name]: select.value }));
    return select;
  });
  return h("div", { class: "row filters", role: "group", "aria-label": "Filters" }, filters);
}

// Whether an event fits a query of filters.
export function fitsFilters(event, query) {
  return Object.entries(query).every(([name, value]) => !value
    || (name === "verdict" ? event.verdict ?? "none" : event[name]) === value);
}

export async function show(place, route, signal) {
  const query = Object.fromEntries(
    Object.entries(route.query).filter(([name]) => name in FILTERS));
  let events = [], hasMore = false;
  let row = route.path[1] === undefined ? null : Number(route.path[1]);
  const list = h("div", { class: "event-list" });
  const older = h("button", { type: "button", class: "older" }, "Show older events");
  const side = h("div", { class: "beside panel-place" });
  const context = new EventContext(signal);
  const panel = new EventPanel({ onReviewed: update, onTime: (us) => context.moveCursor(us) });

  // Takes over an event that has begun, gone on, ended or been judged.
  function update(event) {
    const index = events.findIndex((known) => known.row === event.row);
    if (index >= 0) events[index] = event;
    else if (fitsFilters(event, query)) events.unshift(event);
    else return;
    drawList();
    if (event.row === row && panel.event !== event) panel.show(event);
  }

  async function loadMore() {
    const before_us = events.at(-1)?.start_us;
    const path = `events${queryString({ ...query, limit: PAGE, before_us })}`;
    const answer = await fetchJson(path, { signal });
    const known = new Set(events.map((event) => event.row));
    events = [...events, ...answer.events.filter((event) => !known.has(event.row))];
    hasMore = answer.more;
  }

  // The events under the days on which they began.
  function drawList() {
    const { activeElement } = document;
    const focusedRow = list.contains(activeElement) ? activeElement.dataset.row : null;
    const drawn = [];
    let day = null;
    for (const event of events) {
      const eventDay = startOfDay(event.start_us);
      if (eventDay !== day) drawn.push(h("h2", { class: "day" }, longDay(event.start_us)));
      day = eventDay;
      drawn.push(eventRow(event, query, event.row === row));
    }
    list.replaceChildren(...(drawn.length ? drawn : [emptyList(query)]));
    older.hidden = !hasMore;
    if (focusedRow) {
      list.querySelector(`[data-row="${Number(focusedRow)}"]`)?.focus({ preventScroll: true });
    }
  }

  async function choose(chosenRow, options) {
    row = chosenRow;
    let event = events.find((known) => known.row === row) ?? null;
    if (!event && row !== null) event = await fetchJson(`events/${row}`, { signal });
    side.hidden = event === null;
    place.classList.toggle("shows-event", row !== null);
    if (event) {
      panel.show(event, options);
      context.show(event);
    }
    for (const rowLink of list.querySelectorAll(".event-row")) {
      const isCurrent = Number(rowLink.dataset.row) === row;
      if (isCurrent) rowLink.setAttribute("aria-current", "true");
      else rowLink.removeAttribute("aria-current");
      if (isCurrent) rowLink.scrollIntoView({ block: "nearest" });
    }
  }

  function step(direction) {
    if (!events.length) return;
    const index = events.findIndex((event) => event.row === row);
    const next = events[Math.min(events.length - 1, Math.max(0, index + direction))];
    replaceAddress(["events", String(next.row)], query);
    choose(next.row).catch(showError);
  }

  async function giveVerdict(verdict) {
    if (!panel.event || side.hidden) return;
    const reviewed = await toggleVerdict(panel.event, verdict);
    if (!reviewed) return;
    panel.show(reviewed);
    update(reviewed);
  }

  older.addEventListener("click", () => loadMore().then(drawList, showError));
  list.addEventListener("click", (event) => {
    const rowLink = event.target.closest(".event-row");
    // With a key held the browser opens the link in another tab.
    if (!rowLink || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    pushAddress(["events", rowLink.dataset.row], query);
    const showTop = () => { if (innerWidth < WIDE_PX) scrollTo(0, 0); };
    choose(Number(rowLink.dataset.row)).then(showTop, showError);
  });
  listenToKeys({
    n: () => step(1), p: () => step(-1),
    y: () => giveVerdict("important"), x: () => giveVerdict("normal"),
    u: () => giveVerdict("unsure"),
    " ": () => panel.player.togglePlay(),
    ArrowLeft: () => panel.player.step(-1), ArrowRight: () => panel.player.step(1),
  }, signal);
  signal.addEventListener("abort", () => panel.player.stop(), { once: true });
  subscribe("event", update, signal);
  subscribe("changed", (change) => {
    if (change.what !== "events") return;
    events = [];
    loadMore().then(drawList, showError);
  }, signal);
  document.addEventListener("reviewed", (event) => update(event.detail), { signal });

  await loadMore();
  place.classList.add("events-view");
  const back = h("a", { class: "crumb back", href: link(["events"], query) },
    icon("left"), "All events");
  back.addEventListener("click", (event) => {
    event.preventDefault();
    replaceAddress(["events"], query);
    choose(null);
  });
  side.append(back, panel.element, context.element);
  const filters = filterRow(query, (changed) => navigate(["events"], changed));
  place.append(h("div", { class: "head" }, h("h1", {}, "Events"), filters),
    h("div", { class: "events-page spaced" },
      h("div", { class: "card list-card" }, list, older), side));
  drawList();
  // Where there is room, the newest event stands beside the list; a phone shows the list alone.
  const showNewest = innerWidth >= WIDE_PX && row === null && events.length > 0;
  await choose(showNewest ? events[0].row : row);
  if (showNewest) place.classList.remove("shows-event");
}

function emptyList(query) {
  const page = (title, text, button) =>
    h("div", { class: "empty" }, icon("events"), h("h2", {}, title), h("p", {}, text), button);
  if (Object.values(query).some(Boolean)) {
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
