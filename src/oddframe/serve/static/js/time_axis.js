// The times under the strips.

import { h } from "./dom.js";
import { clock, DAY, HOUR, MINUTE, minutes, SECOND, shortDay, startOfDay } from "./words.js";

const STEPS = [5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
  HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY];

export class TimeAxis {
  constructor(range) {
    this.range = range;
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.element = h("div", { class: "axis-row" }, this.canvas);
  }

  draw(colours, font) {
    const { canvas, range } = this, ratio = devicePixelRatio || 1, wide = canvas.clientWidth, tall = canvas.clientHeight;
    if (!wide) return;
    canvas.width = Math.round(wide * ratio);
    canvas.height = Math.round(tall * ratio);
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.font = font;
    pen.textBaseline = "top";
    const step = STEPS.find((one) => range.span / one <= wide / 84) ?? STEPS[STEPS.length - 1];
    // Ticks count from midnight, so that they fall on whole hours in every zone.
    let day = startOfDay(range.from);
    for (let at = step < DAY ? day + Math.floor((range.from - day) / step) * step : day; at <= range.to; at += step) {
      if (step < DAY && at >= day + 23 * HOUR && startOfDay(at) > day) { day = startOfDay(at); at = day; }
      const whole = step >= DAY ? startOfDay(at + DAY / 2) : at, x = (whole - range.from) / range.span * wide;
      if (x < 0 || x > wide) continue;
      const isDay = whole === startOfDay(whole);
      const text = isDay ? shortDay(whole) : step < MINUTE ? clock(whole) : minutes(whole), half = pen.measureText(text).width / 2;
      pen.fillStyle = isDay ? colours.ink : colours.soft;
      pen.fillText(text, Math.min(wide - 2 * half, Math.max(0, x - half)), 8);
      pen.fillStyle = colours.line;
      pen.fillRect(Math.round(x), 0, 1, 5);
    }
  }
}
