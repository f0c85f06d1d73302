// A day (or an hour, or a month) of every camera as strips of scores and events, with the clip of the place that one is at.

import { ask, search } from "./api.js";
import { h, say } from "./dom.js";
import { EventPanel } from "./event_panel.js";
import { eventRow } from "./event_row.js";
import { filterRow } from "./events.js";
import { icon } from "./icons.js";
import { listen } from "./keys.js";
import { complain } from "./notices.js";
import { note } from "./router.js";
import { on, store } from "./store.js";
import { Strip } from "./strip.js";
import { listenTo } from "./strip_input.js";
import { stripStyle } from "./strip_style.js";
import { TimeAxis } from "./time_axis.js";
import { legend, timeTools } from "./timeline_tools.js";
import { TimeWindow } from "./time_window.js";
import { judge } from "./verdict.js";
import { clock, count, DAY, HOUR, now, score, shortDay, startOfDay } from "./words.js";

const NEW_US = 0.75 * HOUR;
const KEPT_DAYS = 31, MOST_EVENTS = 500, REFRESH_MS = 10000, LISTED = 24;

export async function show(place, at, signal) {
  if (!store.cameras.size) { place.append(h("h1", {}, "Timeline"), empty()); return; }
  let query = { camera: at.query.camera, reason: at.query.reason, verdict: at.query.verdict };
  const today = startOfDay(now()), range = new TimeWindow(today - KEPT_DAYS * DAY, startOfDay(today + 1.5 * DAY));
  const tools = timeTools(range), axis = new TimeAxis(range), readout = h("output", { class: "readout number" });
  const strips = h("div", { class: "strips", tabindex: "0", role: "group", "aria-label": "Scores and events over time; ? shows the keys" });
  const below = h("div", { class: "event-list wide" }, h("p", { class: "soft small pad" }, "Loading …")),
    counted = h("span", { class: "soft small" });
  const panel = new EventPanel({ changed: put, place: "timeline",
    ontime: (us, video) => { if (!video.paused || video.seeking) moved(us); } });
  const nothing = h("div", { class: "card empty small-empty" }, icon("clip"),
    h("p", {}, "Press on an event, or n for the next one, to see its clip here."));
  let rows = [], events = [], loaded = null, chosen = null, frame = 0, loading = null, noting = null, failed = false;

  const redraw = () => { frame ||= requestAnimationFrame(() => { frame = 0; if (!signal.aborted) draw(); }); };
  // A camera that is new fills an hour better than a day.
  let fitted = Boolean(at.query.from || at.query.at || at.query.event);
  const fit = () => {
    const starts = rows.map((one) => one.levels.levels[0]?.spans).filter(Boolean);
    if (fitted || starts.length < rows.length) return;
    fitted = true;
    if (range.cursor === null && starts.every((spans) => !spans.length || spans[0][0] > now() - NEW_US)
      && starts.some((spans) => spans.length)) tools.look(HOUR);
  };
  const came = (error) => { if (error && !failed) complain(error); failed = error !== null; fit(); redraw(); };
  const fits = (one) => (!query.camera || one.camera === query.camera) && (!query.reason || one.reason === query.reason)
    && (!query.verdict || (one.verdict ?? "none") === query.verdict);

  function build() {
    const names = [...store.cameras.keys()].filter((name) => !query.camera || name === query.camera);
    const held = new Map(rows.map((one) => [one.name, one]));
    rows = names.map((name) => held.get(name) ?? new Strip(name, range, signal, came));
    strips.replaceChildren(...rows.map((one) => one.element), axis.element);
    strips.classList.toggle("lone", rows.length < 3);
    spread();
  }

  function spread() {
    for (const one of rows) { one.events = events.filter((event) => event.camera === one.name && fits(event)); one.chosen = chosen; }
    const shown = visible();
    say(counted, `${count(shown.length, "event")} in view`);
    below.replaceChildren(...(shown.length ? shown.slice(-LISTED).reverse().map((one) => eventRow(one, {}, one.row === chosen))
      : [h("p", { class: "soft small pad" }, "No event in this stretch of time. Zoom out, go to another day, or press n for the next one.")]));
    redraw();
  }

  const fitting = () => events.filter((one) => rows.some((row) => row.name === one.camera)
    && fits(one)).sort((a, b) => a.start_us - b.start_us);
  const visible = () => fitting().filter((one) => (one.end_us ?? now()) >= range.from && one.start_us <= range.to);

  async function load() {
    const from = Math.floor(range.from - range.span), to = Math.ceil(range.to + range.span);
    const told = await ask(`events${search({ from_us: from, to_us: to, limit: MOST_EVENTS })}`, { signal });
    events = told.events;
    loaded = { from: told.more && events.length ? events[events.length - 1].start_us : from, to };
    spread();
  }

  function changed() {
    tools.update();
    redraw();
    clearTimeout(loading);
    loading = setTimeout(() => {
      if (!loaded || range.from < loaded.from || range.to > loaded.to) load().catch(complain); else spread();
    }, 160);
    clearTimeout(noting);
    noting = setTimeout(() => { if (!signal.aborted) note(["timeline"],
      { ...query, from: Math.round(range.from), to: Math.round(range.to), event: chosen }); }, 400);
  }

  function draw() {
    const time = now(), { colours, font } = stripStyle();
    for (const one of rows) one.draw(colours, time);
    axis.draw(colours, font);
    say(readout, words());
  }

  function words() {
    const where = `${shortDay(range.from)}${range.to - range.from > DAY * 1.1 ? ` to ${shortDay(range.to - 1)}` : ""}`;
    if (range.cursor === null) return where;
    const parts = [`${shortDay(range.cursor)} ${clock(range.cursor)}`];
    const single = rows.find((one) => one.name === current()) ?? rows[0], value = single?.scoreAt(range.cursor),
      here = single?.eventAt(range.cursor);
    if (rows.length > 1 && single) parts.push(single.name);
    parts.push(value === null || value === undefined ? "no score" : `score ${score(value)}`);
    if (here) parts.push(here.reason);
    return parts.join(" · ");
  }

  let row = null;
  const current = () => row ?? events.find((one) => one.row === chosen)?.camera;

  // The clip has gone on.
  function moved(us) {
    range.cursor = us;
    if (us < range.from || us > range.to) range.point(us); else redraw();
  }

  function choose(event, { at_us = null, autoplay = false, follow = true } = {}) {
    chosen = event.row;
    row = event.camera;
    nothing.hidden = true;
    panel.element.hidden = false;
    panel.show(event, { at_us, autoplay });
    for (const one of rows) one.chosen = chosen;
    if (follow) range.point(at_us ?? event.peak_us ?? event.start_us);
    spread();
  }

  function pressed(one, us, scrubbing) {
    row = one.name;
    range.point(us);
    const here = one.eventAt(us), mine = panel.event?.row === chosen && panel.event?.camera === one.name && panel.player.covers(us);
    if (here && here.row !== chosen && !(scrubbing && mine)) choose(here, { at_us: us, follow: false });
    else if (mine) panel.player.seek(us);
    changed();
  }

  // Events further away than what is loaded.
  async function widen() {
    const told = await ask(`events${search({ ...query, from_us: range.first, to_us: range.last, limit: MOST_EVENTS })}`, { signal });
    const known = new Set(events.map((one) => one.row));
    events = [...events, ...told.events.filter((one) => !known.has(one.row))];
  }

  async function step(way, widened = false) {
    const all = fitting(), here = all.findIndex((one) => one.row === chosen), from = range.cursor ?? (way > 0 ? range.from : range.to);
    const next = here >= 0 ? all[here + way] : way > 0 ? all.find((one) => one.start_us > from)
      : all.filter((one) => one.start_us < from).pop();
    if (next) choose(next);
    else if (!widened) { await widen(); await step(way, true); }
    else say(readout, way > 0 ? "There is no later event here." : "There is no earlier event here.");
  }

  function put(event) {
    const known = events.findIndex((one) => one.row === event.row);
    if (known >= 0) events[known] = event; else if (loaded && event.start_us >= loaded.from
      && event.start_us <= loaded.to) events.push(event);
    if (event.row === chosen && panel.event !== event) panel.show(event);
    spread();
  }

  const arrow = (way, event) => {
    if (event.shiftKey) return range.pan(0.2 * way);
    if (chosen !== null && panel.player.step(way)) return moved(panel.player.place());
    return pressed(rows.find((one) => one.name === current()) ?? rows[0],
      (range.cursor ?? (range.from + range.to) / 2) + way * range.span / 100, true);
  };
  const give = async (verdict) => {
    if (chosen === null) return;
    const said = await judge(panel.event, panel.event.verdict === verdict ? null : verdict);
    if (said) { panel.show(said); put(said); }
  };
  listen({
    n: () => step(1).catch(complain), p: () => step(-1).catch(complain),
      " ": () => (chosen === null ? step(1).catch(complain) : panel.player.toggle()),
    ArrowLeft: (event) => arrow(-1, event), ArrowRight: (event) => arrow(1, event),
    "+": () => range.zoom(0.5), "=": () => range.zoom(0.5), "-": () => range.zoom(2), 0: () => tools.whole(),
    y: () => give("important"), x: () => give("normal"), u: () => give("unsure"),
  }, signal);
  listenTo(strips, range, () => rows, pressed, signal);
  below.addEventListener("click", (event) => {
    const link = event.target.closest(".event-row"), found = link && events.find((one) => one.row === Number(link.dataset.row));
    if (!found || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    choose(found);
    panel.element.scrollIntoView({ block: "nearest" });
  });

  const filters = filterRow(query, (next) => { query = next; build(); changed(); }, ["camera", "reason", "verdict"]);
  panel.element.hidden = true;
  place.classList.add("timeline-view");
  place.append(
    h("div", { class: "head" }, h("h1", {}, "Timeline"), filters),
    h("section", { class: "card strips-card spaced", "aria-label": "Strips" },
      h("div", { class: "row apart tool-row" }, tools.element, readout), strips, legend()),
    h("div", { class: "spaced panel-place" }, nothing, panel.element),
    h("section", { class: "card spaced", "aria-labelledby": "listed" },
      h("div", { class: "row apart pad-head" }, h("h2", { id: "listed" }, "Events"), counted), below));

  range.told = changed;
  const asked = at.query.event ? await ask(`events/${Number(at.query.event)}`, { signal }).catch(() => null) : null;
  const [from, to, when] = [at.query.from, at.query.to, at.query.at].map((one) => (one ? Number(one) : null));
  build();
  if (from && to) range.show(from, to);
  else if (when || asked) tools.day(startOfDay(when ?? asked.start_us));
  else tools.day(today);
  redraw();
  await load();
  if (asked) choose(asked, { at_us: when });
  const observer = new ResizeObserver(redraw);
  observer.observe(strips);
  const ticking = setInterval(() => { if (!document.hidden) { rows.forEach((one) => one.levels.refresh()); redraw(); } }, REFRESH_MS);
  signal.addEventListener("abort", () => { clearInterval(ticking); clearTimeout(loading); clearTimeout(noting); observer.disconnect();
    panel.player.stop(); }, { once: true });
  on("event", put, signal);
  on("cameras", () => { if (rows.length !== [...store.cameras.keys()].filter((name) => !query.camera
    || name === query.camera).length) build(); }, signal);
  document.addEventListener("themed", redraw, { signal });
}

const empty = () => h("div", { class: "card empty spaced" }, icon("timeline"), h("h2", {}, "Nothing to show yet"),
  h("p", {}, "As soon as a camera is watched its scores and events appear here, day by day."),
    h("a", { class: "button main", href: "#/cameras/new" }, "Add a camera"));
