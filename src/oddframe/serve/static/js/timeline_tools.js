// Choosing a day and a stretch of it, and what the marks mean.

import { h, s } from "./dom.js";
import { icon } from "./icons.js";
import { DAY, dayKey, fromDayKey, HOUR, now, startOfDay } from "./words.js";

const STRETCHES = [["1 h", HOUR], ["Day", DAY], ["Week", 7 * DAY], ["30 days", 30 * DAY]];

export function timeTools(range) {
  const dayOf = (us) => [startOfDay(us), startOfDay(startOfDay(us) + 1.5 * DAY)];
  let stretch = DAY;
  const middle = () => (range.from + range.to) / 2;
  const day = (us) => { stretch = DAY; range.show(...dayOf(us)); };

  // A stretch around the cursor or, where there is none, up to now.
  function look(span) {
    stretch = span;
    const around = range.cursor ?? Math.min(now(), range.to);
    if (span === DAY) return range.show(...dayOf(Math.min(around, now())));
    if (span > DAY) { const end = Math.min(range.last, Math.max(dayOf(around)[1], range.first + span)); return range.show(end - span, end);
      }
    const end = Math.min(around + span / 2, Math.max(now(), around + 1));
    return range.show(end - span, end);
  }
  const move = (way) => { if (stretch === DAY && range.span > 0.9 * DAY) day(middle() + way * DAY); else range.pan(way); };

  const date = h("input", { type: "date", "aria-label": "Day", class: "date" });
  date.addEventListener("change", () => { const us = fromDayKey(date.value); if (us !== null) day(us); });
  const buttons = STRETCHES.map(([word, span]) => h("button", { type: "button", onclick: () => look(span) }, word));
  const press = (name, label, run) => h("button", { type: "button", class: "square", "aria-label": label, title: label, onclick: run },
    name.length > 1 ? icon(name) : name);
  const element = h("div", { class: "row" },
    h("div", { class: "row tight" }, press("left", "Earlier", () => move(-1)), date, press("right", "Later", () => move(1))),
    h("div", { class: "segments", role: "group", "aria-label": "How much is in view" }, buttons),
    h("div", { class: "row tight" }, press("−", "Zoom out", () => range.zoom(2)), press("+", "Zoom in", () => range.zoom(0.5))));
  const update = () => {
    const key = dayKey(range.cursor !== null && range.cursor >= range.from && range.cursor <= range.to ? range.cursor : middle());
    if (date.value !== key) date.value = key;
    STRETCHES.forEach(([, span], number) => buttons[number].setAttribute("aria-pressed",
      String(Math.abs(range.span - span) < 0.06 * span)));
  };
  date.min = dayKey(range.first);
  date.max = dayKey(now());
  return { element, day, look, update, whole: () => look(stretch) };
}

export function legend() {
  const mark = (shape) => s("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, shape);
  const items = [
    ["score (line the highest, filled the mean)", s("path", { class: "s-line", d: "M0 12L5 6 10 10 16 4" })],
      ["threshold, 0.5", s("path", { class: "s-limit", d: "M0 8H16" })],
    ["event", s("circle", { class: "m-full", cx: 8, cy: 8, r: 4.5 })], ["important", s("path", { class: "m-full", d: "M8 2L14 13H2Z" })],
    ["normal", s("circle", { class: "m-ring", cx: 8, cy: 8, r: 4.5 })],
      ["unsure", [s("circle", { class: "m-ring", cx: 8, cy: 8, r: 4.5 }), s("path", { class: "m-ring", d: "M6 8H10" })]],
    ["the camera itself", s("rect", { class: "m-fault", x: 4, y: 4, width: 8, height: 8 })]];
  return h("ul", { class: "legend" }, items.map(([word, shape]) => h("li", {}, mark(shape), h("span", {}, word))));
}
