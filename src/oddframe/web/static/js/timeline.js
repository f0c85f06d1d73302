// The scores and events of every camera over time, as strips of a day (or an hour, or a month),
// with the clip of the event that is chosen.

import { count, DAY, formatScore, fullTime, HOUR, now, SECOND, shortDay, startOfDay, timeOfDay }
  from "../shared/format.js";
import { addGestures, chartKeys, ViewRange } from "../shared/time_chart.js";
import { fetchJson, queryString } from "./api.js";
import { h, setText } from "./dom.js";
import { filterRow, fitsFilters } from "./event_filters.js";
import { EventPanel, eventRow } from "./event_panel.js";
import { icon } from "./icons.js";
import { listenToKeys } from "./keys.js";
import { showError } from "./notices.js";
import { toggleVerdict } from "./review.js";
import { replaceAddress } from "./router.js";
import { ScoreStrip, TimeAxis } from "./score_strip.js";
import { store, subscribe } from "./store.js";
import { legend, timeTools } from "./timeline_tools.js";

const FILTERS = ["camera", "reason", "verdict"];
const KEPT_DAYS = 31, SHORTEST_US = 20 * SECOND;
const MOST_EVENTS = 500, MOST_LISTED = 24;
// More strips than this are a wall: low ones in a box that scrolls, with the names beside them.
const MOST_TALL = 8;
const LOAD_PAUSE_MS = 160, ADDRESS_PAUSE_MS = 400, REFRESH_MS = 10000;

// Cameras that are all newer than this fill an hour better than a day.
const NEW_US = 0.75 * HOUR;

export async function show(place, route, signal) {
  if (!store.cameras.size) {
    place.append(h("h1", {}, "Timeline"), emptyPage());
    return;
  }
  const today = startOfDay(now()), tomorrow = startOfDay(today + 1.5 * DAY);
  const range = new ViewRange(today - KEPT_DAYS * DAY, tomorrow, SHORTEST_US);
  let query = Object.fromEntries(FILTERS.map((name) => [name, route.query[name]]));
  let strips = [];
  let events = [], loaded = null; // `loaded` is the part of time {from, to} of these events.
  let chosenRow = null, chosenCamera = null;

  const tools = timeTools(range), axis = new TimeAxis(range);
  const readout = h("output", { class: "readout number" });
  const stripsElement = h("div", { class: "strips", tabindex: "0", role: "group",
    "aria-label": "Scores and events over time. Press ? for keyboard shortcuts" });
  const hoverLine = h("div", { class: "hover-line", hidden: true, "aria-hidden": "true" });
  const list = h("div", { class: "event-list wide" },
    h("p", { class: "soft small pad" }, "Loading …"));
  const listCount = h("span", { class: "soft small" });
  const nothingChosen = h("div", { class: "card empty small-empty" }, icon("clip"),
    h("p", {}, "Choose an event to see its clip here",
      h("span", { class: "key-hint" }, ", or press n for the next one"), "."));
  const onTime = (us, video) => { if (!video.paused || video.seeking) followClip(us); };
  const panel = new EventPanel({ onReviewed: update, onTime, view: "timeline" });
  panel.element.hidden = true;

  // However much changes, it is drawn once for each picture on the screen, and only what can be
  // seen: scrolling draws the strips that come into view and are not as they should be.
  let frameRequest = 0;
  const drawn = new Set();
  const drawSoon = () => {
    frameRequest ||= requestAnimationFrame(() => {
      frameRequest = 0;
      if (!signal.aborted) draw();
    });
  };
  const redraw = () => {
    drawn.clear();
    drawSoon();
  };

  let isFitted = Boolean(route.query.from || route.query.at || route.query.event);

  // Shows an hour instead of a day where all cameras are new; once, when all scores have come.
  function fitNewCameras() {
    const columns = strips.map((strip) => strip.levels.levels[0]?.spans);
    if (isFitted || !columns.every(Boolean)) return;
    isFitted = true;
    const hasScores = columns.some((spans) => spans.length);
    // An hour of the overview may have begun long before its first score.
    const areNew = strips.every(({ levels: { levels: [{ span_us, spans }] } }) =>
      !spans.length || spans[0][0] + span_us > now() - NEW_US);
    if (range.cursor === null && hasScores && areNew) tools.showLength(HOUR);
  }

  // An error is shown once, not for each strip again.
  let hasFailed = false;
  function onLoaded(error) {
    if (error && !hasFailed) showError(error);
    hasFailed = error !== null;
    fitNewCameras();
    redraw();
  }

  const shownNames = () =>
    [...store.cameras.keys()].filter((name) => !query.camera || name === query.camera);

  // Makes the strips of the cameras that are shown, and keeps those that are there.
  function buildStrips() {
    const known = new Map(strips.map((strip) => [strip.cameraName, strip]));
    strips = shownNames().map((name) =>
      known.get(name) ?? new ScoreStrip(name, range, signal, onLoaded));
    stripsElement.replaceChildren(...strips.map((strip) => strip.element), axis.element);
    stripsElement.classList.toggle("lone", strips.length < 3);
    stripsElement.classList.toggle("wall", isWall());
    stripsElement.append(hoverLine);
    for (const strip of strips) strip.isLow = isWall();
    if (isWall() && strips.some(({ levels }) => !levels.levels.length)) loadOverview();
    showEvents();
  }

  const isWall = () => strips.length > MOST_TALL;

  // One request, made in early.js already, gives every strip of a wall the hours of all the time
  // that one may look at; what is finer is asked for by the strips that can be seen.
  async function loadOverview() {
    const filled = strips;
    for (const { levels } of filled) levels.waits = true;
    stripsElement.setAttribute("aria-busy", "true");
    try {
      const loaded_us = now(), { first: from, last: to } = range;
      const { cameras, first_us, span_us } = await fetchJson("scores", { signal });
      for (const { cameraName, levels } of filled) {
        const { at, peaks, means } = cameras[cameraName] ?? { at: [] };
        const spans = at.map((place, index) =>
          [first_us + place * span_us, peaks[index], means[index]]);
        levels.take({ loaded_us, from, to, span_us, spans });
      }
      onLoaded(null);
    } catch (error) {
      if (!signal.aborted) onLoaded(error);
    } finally {
      for (const { levels } of filled) levels.waits = false;
      stripsElement.removeAttribute("aria-busy");
    }
  }

  // The events that fit the filters, oldest first.
  const fittingEvents = () => events
    .filter((event) => strips.some((strip) => strip.cameraName === event.camera))
    .filter((event) => fitsFilters(event, query))
    .sort((first, second) => first.start_us - second.start_us);

  // Puts the events on the strips, and those in view into the list.
  function showEvents() {
    const fitting = fittingEvents();
    for (const strip of strips) {
      strip.events = fitting.filter((event) => event.camera === strip.cameraName);
      strip.chosenRow = chosenRow;
    }
    redraw();
    if (!loaded) return;
    const inView = fitting.filter((event) =>
      (event.end_us ?? now()) >= range.from && event.start_us <= range.to);
    setText(listCount, `${count(inView.length, "event")} in view`);
    const none = h("p", { class: "soft small pad" },
      "No event in this period. Zoom out or choose another day",
      h("span", { class: "key-hint" }, ", or press n for the next event"), ".");
    const newestFirst = inView.slice(-MOST_LISTED).reverse();
    list.replaceChildren(...(inView.length
      ? newestFirst.map((event) => eventRow(event, {}, event.row === chosenRow)) : [none]));
  }

  async function loadEvents() {
    const from = Math.floor(range.from - range.span), to = Math.ceil(range.to + range.span);
    const path = `events${queryString({ from_us: from, to_us: to, limit: MOST_EVENTS })}`;
    const answer = await fetchJson(path, { signal });
    events = answer.events;
    // Of very many events the newest come first: of the time before them nothing is known yet.
    loaded = { from: answer.more && events.length ? events.at(-1).start_us : from, to };
    showEvents();
  }

  // The view has changed: events and address follow when it rests.
  let loadTimer = null, addressTimer = null;
  function onRangeChange() {
    tools.update();
    redraw();
    clearTimeout(loadTimer);
    loadTimer = setTimeout(() => {
      const isLoaded = loaded && range.from >= loaded.from && range.to <= loaded.to;
      if (isLoaded) showEvents();
      else loadEvents().catch(showError);
    }, LOAD_PAUSE_MS);
    clearTimeout(addressTimer);
    addressTimer = setTimeout(() => {
      if (signal.aborted) return;
      const [from, to] = [Math.round(range.from), Math.round(range.to)];
      replaceAddress(["timeline"], { ...query, from, to, event: chosenRow });
    }, ADDRESS_PAUSE_MS);
  }

  function draw() {
    const seen = stripsElement.getBoundingClientRect();
    const top = Math.max(0, seen.top), bottom = Math.min(innerHeight, seen.bottom);
    for (const strip of strips) {
      if (drawn.has(strip)) continue;
      const place = strip.element.getBoundingClientRect();
      if (place.bottom < top || place.top > bottom) continue;
      strip.draw(now());
      drawn.add(strip);
    }
    axis.draw();
    showReadout();
  }

  // Where the pointer passes: {strip, us}. It is read out, but nothing else follows it.
  let hovered = null;
  function hover(strip, us) {
    hovered = strip && { strip, us };
    hoverLine.hidden = !hovered;
    if (hovered) {
      const { canvas } = strip;
      hoverLine.style.translate = `${canvas.offsetLeft + strip.across(us)}px`;
      const last = strips.at(-1).element;
      hoverLine.style.height = `${last.offsetTop + last.offsetHeight}px`;
    }
    showReadout();
  }

  function showReadout() {
    setText(readout, hovered ? placeText(hovered.strip, hovered.us) : readoutText());
  }

  const currentCamera = () =>
    chosenCamera ?? events.find((event) => event.row === chosenRow)?.camera;
  const currentStrip = () =>
    strips.find((strip) => strip.cameraName === currentCamera()) ?? strips[0];

  // What is at the cursor, or else the days in view.
  function readoutText() {
    if (range.cursor === null) {
      const isOneDay = range.span <= DAY * 1.1;
      return shortDay(range.from) + (isOneDay ? "" : ` to ${shortDay(range.to - 1)}`);
    }
    readout.title = fullTime(range.cursor);
    return placeText(currentStrip(), range.cursor);
  }

  // When it is, which camera, its score, and the event.
  function placeText(strip, us) {
    const parts = [`${shortDay(us)} ${timeOfDay(us)}`];
    const score = strip?.scoreAt(us) ?? null;
    if (strips.length > 1 && strip) parts.push(strip.cameraName);
    parts.push(score === null ? "no score" : `score ${formatScore(score)}`);
    const event = strip?.eventAt(us);
    if (event) parts.push(event.reason);
    return parts.join(" · ");
  }

  // The clip has gone on: the cursor goes with it.
  function followClip(us) {
    range.cursor = us;
    if (us < range.from || us > range.to) range.moveCursor(us);
    else redraw();
  }

  function choose(event, { at_us = null, follow = true } = {}) {
    chosenRow = event.row;
    chosenCamera = event.camera;
    nothingChosen.hidden = true;
    panel.element.hidden = false;
    panel.show(event, { at_us });
    if (follow) range.moveCursor(at_us ?? event.peak_us ?? event.start_us);
    showEvents();
  }

  function pressStrip(strip, us, { scrubbing }) {
    chosenCamera = strip.cameraName;
    range.moveCursor(us);
    const event = strip.eventAt(us), { event: shown, player } = panel;
    const inShownClip = shown?.row === chosenRow && shown?.camera === strip.cameraName
      && player.covers(us);
    // While the cursor is dragged through a clip, an event beside it must not take its place.
    if (event && event.row !== chosenRow && !(scrubbing && inShownClip)) {
      choose(event, { at_us: us, follow: false });
    } else if (inShownClip) player.seek(us);
    onRangeChange();
  }

  // Loads events from all of the time, when the next one is further away than what is loaded.
  async function loadAllEvents() {
    const all = { ...query, from_us: range.first, to_us: range.last, limit: MOST_EVENTS };
    const answer = await fetchJson(`events${queryString(all)}`, { signal });
    const known = new Set(events.map((event) => event.row));
    events = [...events, ...answer.events.filter((event) => !known.has(event.row))];
  }

  function findEvent(direction) {
    const fitting = fittingEvents();
    const index = fitting.findIndex((event) => event.row === chosenRow);
    if (index >= 0) return fitting[index + direction];
    const from = range.cursor ?? (direction > 0 ? range.from : range.to);
    if (direction > 0) return fitting.find((event) => event.start_us > from);
    return fitting.findLast((event) => event.start_us < from);
  }

  async function goToEvent(direction) {
    let event = findEvent(direction);
    if (!event) {
      await loadAllEvents();
      event = findEvent(direction);
    }
    if (event) choose(event);
    else setText(readout, `There is no ${direction > 0 ? "later" : "earlier"} event.`);
  }

  // Takes over an event that has begun, gone on, ended or been judged.
  function update(event) {
    const index = events.findIndex((known) => known.row === event.row);
    const isInTime = loaded && event.start_us >= loaded.from && event.start_us <= loaded.to;
    if (index >= 0) events[index] = event;
    else if (isInTime) events.push(event);
    if (event.row === chosenRow && panel.event !== event) panel.show(event);
    showEvents();
  }

  // An arrow key moves in the clip that is shown, or else the cursor.
  function step(direction) {
    if (chosenRow !== null && panel.player.step(direction)) followClip(panel.player.time_us);
    else pressStrip(currentStrip(), range.nextTo(direction), { scrubbing: true });
  }

  async function giveVerdict(verdict) {
    if (chosenRow === null) return;
    const reviewed = await toggleVerdict(panel.event, verdict);
    if (!reviewed) return;
    panel.show(reviewed);
    update(reviewed);
  }

  const goTo = (direction) => goToEvent(direction).catch(showError);
  listenToKeys({
    ...chartKeys(range, { step, goToEvent: goTo, showAll: tools.reset }),
    " ": () => (chosenRow === null ? goTo(1) : panel.player.togglePlay()),
    y: () => giveVerdict("important"), x: () => giveVerdict("normal"),
    u: () => giveVerdict("unsure"),
  }, signal);
  addGestures(stripsElement, range, {
    chartAt: (event) => strips.find((strip) => strip.canvas === event.target),
    onPress: pressStrip,
    onDoubleClick: (strip, us) => range.zoom(0.25, us),
    onHover: hover,
    canScrub: true,
    // The wheel scrolls a wall; with Ctrl it zooms there too.
    keepsWheel: () => !isWall(),
  }, signal);
  stripsElement.addEventListener("pointerleave", () => hover(null), { signal });
  stripsElement.addEventListener("scroll", drawSoon, { passive: true, signal });
  addEventListener("scroll", drawSoon, { passive: true, signal });
  list.addEventListener("click", (click) => {
    const rowLink = click.target.closest(".event-row");
    const event = rowLink && events.find(({ row }) => row === Number(rowLink.dataset.row));
    // With a key held the browser opens the link in another tab.
    if (!event || click.ctrlKey || click.metaKey) return;
    click.preventDefault();
    choose(event);
    panel.element.scrollIntoView({ block: "nearest" });
  });

  const filters = filterRow(query, (name, value) => {
    query = { ...query, [name]: value };
    buildStrips();
    onRangeChange();
  }, FILTERS);
  place.classList.add("timeline-view");
  place.append(
    h("div", { class: "head" }, h("h1", {}, "Timeline"), filters),
    h("section", { class: "card strips-card spaced", "aria-label": "Scores over time" },
      h("div", { class: "row apart tool-row" }, tools.element, readout),
      stripsElement, legend()),
    h("div", { class: "spaced panel-place" }, nothingChosen, panel.element),
    h("section", { class: "card spaced", "aria-labelledby": "list-title" },
      h("div", { class: "row apart pad-head" },
        h("h2", { id: "list-title" }, "Events"), listCount), list));

  range.onChange = onRangeChange;
  const asNumber = (name) => (route.query[name] ? Number(route.query[name]) : null);
  const row = asNumber("event"), at_us = asNumber("at");
  const [from, to] = [asNumber("from"), asNumber("to")];
  const event = row && await fetchJson(`events/${row}`, { signal }).catch(() => null);
  buildStrips();
  if (from && to) range.show(from, to);
  else tools.showDay(at_us ? startOfDay(at_us) : event ? startOfDay(event.start_us) : today);
  redraw();
  // The scores are shown without waiting for events.
  loadEvents().catch(showError);
  if (event) choose(event, { at_us });

  const observer = new ResizeObserver(redraw);
  observer.observe(stripsElement);
  const refreshTimer = setInterval(() => {
    if (document.hidden) return;
    strips.forEach((strip) => strip.levels.refresh());
    redraw();
  }, REFRESH_MS);
  signal.addEventListener("abort", () => {
    clearInterval(refreshTimer);
    clearTimeout(loadTimer);
    clearTimeout(addressTimer);
    observer.disconnect();
    panel.player.stop();
  }, { once: true });
  subscribe("event", update, signal);
  subscribe("cameras", () => {
    if (strips.length !== shownNames().length) buildStrips();
  }, signal);
  document.addEventListener("themed", redraw, { signal });
}

function emptyPage() {
  return h("div", { class: "card empty spaced" }, icon("timeline"), h("h2", {}, "No data yet"),
    h("p", {}, "Scores and events appear here as soon as a camera is watched."),
    h("a", { class: "button main", href: "#/cameras/new" }, "Add a camera"));
}
