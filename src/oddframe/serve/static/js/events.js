// The list of events beside the one that is looked at.

import { ask, search } from "./api.js";
import { Around } from "./around.js";
import { h } from "./dom.js";
import { EventPanel } from "./event_panel.js";
import { eventRow } from "./event_row.js";
import { icon } from "./icons.js";
import { listen } from "./keys.js";
import { complain } from "./notices.js";
import { go, link, note, step as goOn } from "./router.js";
import { on, store } from "./store.js";
import { judge } from "./verdict.js";
import { longDay, startOfDay } from "./words.js";

const PAGE = 50;
const FILTERS = {
  camera: () => [["", "All cameras"], ...[...store.cameras.keys()].map((name) => [name, name])],
  reason: () => [["", "Every reason"], ["looks wrong", "Looks wrong"], ["moves wrong", "Moves wrong"],
    ["unlike any known pattern", "Unlike any known pattern"]],
  kind: () => [["", "Scene and camera"], ["anomaly", "The scene"], ["health", "The camera itself"]],
  verdict: () => [["", "Reviewed or not"], ["none", "Not reviewed"], ["important", "Important"], ["unsure", "Unsure"],
    ["normal", "Normal"]],
};

export function filterRow(query, changed, names = Object.keys(FILTERS)) {
  return h("div", { class: "row filters", role: "group", "aria-label": "Filters" }, names.map((name) => {
    const select = h("select", { "aria-label": name }, FILTERS[name]().map(([value, text]) => h("option", { value }, text)));
    select.value = query[name] ?? "";
    select.addEventListener("change", () => changed({ ...query, [name]: select.value }));
    return select;
  }));
}

export async function show(place, at, signal) {
  const query = Object.fromEntries(Object.entries(at.query).filter(([name]) => name in FILTERS));
  let events = [], more = false, row = at.path[1] === undefined ? null : Number(at.path[1]);
  const list = h("div", { class: "event-list" }), older = h("button", { type: "button", class: "older" }, "Show older ones");
  const beside = h("div", { class: "beside panel-place" });
  const around = new Around(signal), panel = new EventPanel({ changed: put, ontime: (us) => around.draw(us) });
  const chosen = () => events.find((one) => one.row === row);

  function put(event) {
    const known = events.findIndex((one) => one.row === event.row);
    if (known >= 0) events[known] = event;
    else if (fits(event)) events.unshift(event);
    else return;
    drawList();
    if (event.row === row && panel.event !== event) panel.show(event);
  }
  const fits = (event) => Object.entries(query).every(([name, value]) => !value
    || (name === "verdict" ? (event.verdict ?? "none") : event[name]) === value);

  async function load() {
    const last = events[events.length - 1];
    const told = await ask(`events${search({ ...query, limit: PAGE, before_us: last?.start_us })}`, { signal });
    const known = new Set(events.map((one) => one.row));
    events = [...events, ...told.events.filter((one) => !known.has(one.row))];
    more = told.more;
  }

  function drawList() {
    let day = null;
    const focused = list.contains(document.activeElement) ? document.activeElement.dataset.row : null;
    list.replaceChildren(...events.flatMap((one) => {
      const its = startOfDay(one.start_us), head = its === day ? [] : [h("h2", { class: "day" }, longDay(one.start_us))];
      day = its;
      return [...head, eventRow(one, query, one.row === row)];
    }));
    if (!events.length) list.replaceChildren(empty(query));
    older.hidden = !more;
    if (focused) list.querySelector(`[data-row="${Number(focused)}"]`)?.focus({ preventScroll: true });
  }

  async function choose(next, options) {
    row = next;
    const event = chosen() ?? (row === null ? null : await ask(`events/${row}`, { signal }));
    beside.hidden = event === null;
    place.classList.toggle("one", row !== null);
    if (event) { panel.show(event, options); around.show(event); }
    for (const link of list.querySelectorAll(".event-row")) {
      const is = Number(link.dataset.row) === row;
      if (is) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
      if (is) link.scrollIntoView({ block: "nearest" });
    }
  }

  function step(way) {
    if (!events.length) return;
    const now = events.findIndex((one) => one.row === row);
    const next = events[Math.min(events.length - 1, Math.max(0, now + way))];
    note(["events", String(next.row)], query);
    choose(next.row).catch(complain);
  }
  const give = async (verdict) => {
    const event = panel.event;
    if (!event || beside.hidden) return;
    const now = await judge(event, event.verdict === verdict ? null : verdict);
    if (now) { panel.show(now); put(now); }
  };

  older.addEventListener("click", async () => { try { await load(); drawList(); } catch (error) { complain(error); } });
  list.addEventListener("click", (event) => {
    const link = event.target.closest(".event-row");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    goOn(["events", link.dataset.row], query);
    choose(Number(link.dataset.row)).then(() => { if (innerWidth < 900) scrollTo(0, 0); }, complain);
  });
  listen({
    n: () => step(1), p: () => step(-1), y: () => give("important"), x: () => give("normal"), u: () => give("unsure"),
    " ": () => panel.player.toggle(), ArrowLeft: () => panel.player.step(-1), ArrowRight: () => panel.player.step(1),
  }, signal);
  signal.addEventListener("abort", () => panel.player.stop(), { once: true });
  on("event", put, signal);
  on("changed", (told) => { if (told.what === "events") { events = []; load().then(drawList, complain); } }, signal);
  document.addEventListener("reviewed", (event) => put(event.detail), { signal });

  await load();
  place.classList.add("events-view");
  const back = h("a", { class: "crumb back", href: link(["events"], query) }, icon("left"), "All events");
  back.addEventListener("click", (event) => { event.preventDefault(); note(["events"], query); choose(null); });
  beside.append(back, panel.element, around.element);
  place.append(h("div", { class: "head" }, h("h1", {}, "Events"), filterRow(query, (next) => go(["events"], next))),
    h("div", { class: "events-page spaced" }, h("div", { class: "card list-card" }, list, older), beside));
  drawList();
  const wide = innerWidth >= 900 && row === null && events.length > 0;
  await choose(wide ? events[0].row : row);
  if (wide) place.classList.remove("one");
}

function empty(query) {
  const filtered = Object.values(query).some(Boolean);
  return h("div", { class: "empty" }, icon("events"), h("h2", {}, filtered ? "No event fits" : "No events yet"),
    h("p", {}, filtered ? "None of the events is like that. Take a filter away to see others."
      : store.cameras.size ? "Nothing unusual was seen. What is will appear here, with its picture, as soon as it begins."
        : "No camera is watched yet. Add one, and what is unusual there will appear here."),
    filtered ? h("a", { class: "button", href: "#/events" }, "Show all") : !store.cameras.size
      && h("a", { class: "button main", href: "#/cameras/new" }, "Add a camera"));
}
