// The scores and events of every camera over time, as strips of a day (or an hour, or a month),
// with the clip of the event that is chosen.

import { count, DAY, dayKey, formatScore, fromDayKey, fullTime, HOUR, longDay, now, SECOND,
  shortDay, startOfDay, timeOfDay } from "../shared/format.js";
import { addGestures, chartKeys, ViewRange } from "../shared/time_chart.js";
import { fetchJson, queryString } from "./api.js";
import { h, s, setText, zoneNote } from "./dom.js";
import { filterRow, fitsFilters } from "./event_filters.js";
import { EventPanel, eventRow } from "./event_panel.js";
import { icon } from "./icons.js";
import { listenToKeys } from "./keys.js";
import { showError } from "./notices.js";
import { toggleVerdict } from "./review.js";
import { replaceAddress } from "./router.js";
import { ScoreStrip, TimeAxis } from "./score_strip.js";
import { store, subscribe } from "./store.js";

const FILTERS = ["camera", "reason", "verdict"];
const KEPT_DAYS = 31, SHORTEST_US = 20 * SECOND;
const MOST_EVENTS = 500, MOST_LISTED = 24;
const LOAD_PAUSE_MS = 160, ADDRESS_PAUSE_MS = 400, REFRESH_MS = 10000;

// Cameras that are all newer than this fill an hour better than a day.
const NEW_US = 0.75 * HOUR;

const LENGTHS = [["1 h", HOUR], ["Day", DAY], ["Week", 7 * DAY], ["30 days", 30 * DAY]];

// A day to choose. A browser writes the date in its field in a form of its own, so the field is
// there for its calendar only, and the button says the day as it stands everywhere.
function dayField(first, last, onChoose) {
  const input = h("input", { type: "date", tabindex: "-1", "aria-hidden": "true", min: first,
    max: last });
  const text = h("span", {});
  const button = h("button", { type: "button", title: "Choose a day", "aria-label": "Day",
    onclick: () => input.showPicker() }, text);
  input.addEventListener("change", () => {
    const us = fromDayKey(input.value);
    if (us !== null) onChoose(us);
  });
  const update = (us) => {
    const key = dayKey(us);
    if (input.value !== key) input.value = key;
    setText(text, longDay(us));
    button.setAttribute("aria-label", `Day: ${longDay(us)}`);
  };
  return { element: h("span", { class: "date" }, input, button), update };
}

// The buttons that choose a day and how much of it is in view.
function timeTools(range) {
  let chosenLength = DAY;
  const dayOf = (us) => [startOfDay(us), startOfDay(startOfDay(us) + 1.5 * DAY)];
  const showDay = (us) => {
    chosenLength = DAY;
    range.show(...dayOf(us));
  };

  // Shows so much around the cursor or, where there is none, up to now.
  function showLength(length) {
    chosenLength = length;
    const around = range.cursor ?? Math.min(now(), range.to);
    if (length === DAY) {
      range.show(...dayOf(Math.min(around, now())));
      return;
    }
    const end = length > DAY
      ? Math.min(range.last, Math.max(dayOf(around)[1], range.first + length))
      : Math.min(around + length / 2, Math.max(now(), around + 1));
    range.show(end - length, end);
  }

  const move = (direction) => {
    const isDay = chosenLength === DAY && range.span > 0.9 * DAY;
    if (isDay) showDay(range.middle + direction * DAY);
    else range.pan(direction);
  };

  const day = dayField(dayKey(range.first), dayKey(now()), showDay);
  const lengths = LENGTHS.map(([text, length]) =>
    h("button", { type: "button", onclick: () => showLength(length) }, text));
  const button = (symbol, label, onclick) => h("button",
    { type: "button", class: "square", "aria-label": label, title: label, onclick }, symbol);
  const element = h("div", { class: "row" },
    h("div", { class: "row tight" },
      button(icon("left"), "Earlier", () => move(-1)), day.element,
      button(icon("right"), "Later", () => move(1)), zoneNote()),
    h("div", { class: "segments", role: "group", "aria-label": "Length of time in view" }, lengths),
    h("div", { class: "row tight" },
      button("−", "Zoom out", () => range.zoom(2)), button("+", "Zoom in", () => range.zoom(0.5))));

  const update = () => {
    const { cursor } = range;
    const inView = cursor !== null && cursor >= range.from && cursor <= range.to;
    day.update(inView ? cursor : range.middle);
    LENGTHS.forEach(([, length], index) => {
      const isShown = Math.abs(range.span - length) < 0.06 * length;
      lengths[index].setAttribute("aria-pressed", String(isShown));
    });
  };
  return { element, showDay, showLength, update, reset: () => showLength(chosenLength) };
}

function legend() {
  const circle = (name) => s("circle", { class: name, cx: 8, cy: 8, r: 4.5 });
  const path = (name, d) => s("path", { class: name, d });
  const items = [
    ["score (line: maximum, area: mean)", path("s-line", "M0 12L5 6 10 10 16 4")],
    ["threshold, 0.5", path("s-limit", "M0 8H16")],
    ["event, not reviewed", circle("m-full")],
    ["important", path("m-full", "M8 2L14 13H2Z")],
    ["normal", circle("m-ring")],
    ["unsure", [circle("m-ring"), path("m-ring", "M6 8H10")]],
    ["camera event", s("rect", { class: "m-fault", x: 4, y: 4, width: 8, height: 8 })],
  ];
  return h("ul", { class: "legend" }, items.map(([text, shape]) => h("li", {},
    s("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, shape), h("span", {}, text))));
}

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
  const list = h("div", { class: "event-list wide" },
    h("p", { class: "soft small pad" }, "Loading …"));
  const listCount = h("span", { class: "soft small" });
  const nothingChosen = h("div", { class: "card empty small-empty" }, icon("clip"),
    h("p", {}, "Choose an event to see its clip here, or press n for the next one."));
  const onTime = (us, video) => { if (!video.paused || video.seeking) followClip(us); };
  const panel = new EventPanel({ onReviewed: update, onTime, view: "timeline" });
  panel.element.hidden = true;

  // However much changes, it is drawn once for each picture on the screen.
  let frameRequest = 0;
  const redraw = () => {
    frameRequest ||= requestAnimationFrame(() => {
      frameRequest = 0;
      if (!signal.aborted) draw();
    });
  };

  let isFitted = Boolean(route.query.from || route.query.at || route.query.event);

  // Shows an hour instead of a day where all cameras are new; once, when all scores have come.
  function fitNewCameras() {
    const columns = strips.map((strip) => strip.levels.levels[0]?.spans);
    if (isFitted || !columns.every(Boolean)) return;
    isFitted = true;
    const hasScores = columns.some((spans) => spans.length);
    const areNew = columns.every((spans) => !spans.length || spans[0][0] > now() - NEW_US);
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
    showEvents();
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
    const inView = fitting.filter((event) =>
      (event.end_us ?? now()) >= range.from && event.start_us <= range.to);
    setText(listCount, `${count(inView.length, "event")} in view`);
    const none = h("p", { class: "soft small pad" }, "No event in this period. Zoom out, choose "
      + "another day, or press n for the next event.");
    const newestFirst = inView.slice(-MOST_LISTED).reverse();
    list.replaceChildren(...(inView.length
      ? newestFirst.map((event) => eventRow(event, {}, event.row === chosenRow)) : [none]));
    redraw();
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
    for (const strip of strips) strip.draw(now());
    axis.draw();
    setText(readout, readoutText());
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
    const parts = [`${shortDay(range.cursor)} ${timeOfDay(range.cursor)}`];
    const strip = currentStrip(), score = strip?.scoreAt(range.cursor) ?? null;
    if (strips.length > 1 && strip) parts.push(strip.cameraName);
    parts.push(score === null ? "no score" : `score ${formatScore(score)}`);
    const event = strip?.eventAt(range.cursor);
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
    canScrub: true,
  }, signal);
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
  await loadEvents();
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
