// What stands around the strips of the timeline: the buttons that choose a day and how much of it
// is in view, and what the marks mean.

import { DAY, dayKey, fromDayKey, HOUR, longDay, now, startOfDay } from "../shared/format.js";
import { h, s, setText, zoneNote } from "./dom.js";
import { icon } from "./icons.js";

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
export function timeTools(range) {
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
      button("−", "Zoom out", () => range.zoom(2)),
      button("+", "Zoom in", () => range.zoom(0.5))));

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

// What the lines and marks of the strips mean.
export function legend() {
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
