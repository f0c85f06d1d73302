// Draws one camera's scores and events in a window of time.

import { h } from "./dom.js";
import { place, ScoreLevels } from "./score_levels.js";

const TOP = 15, BOTTOM = 4;
// A camera that brings a frame in this time has no gap.
const SLOW_US = 3.5e6;
const WIDTH_PX = 1.5;

// The parts of a run that lie above the threshold, with the points beside them.
function above(run) {
  const parts = [];
  let part = null;
  run.forEach(([, peak], number) => {
    if (peak <= 0.5) { if (part) part.push(run[number]); part = null; return; }
    if (!part) parts.push(part = number ? [run[number - 1]] : []);
    part.push(run[number]);
  });
  return parts;
}

export class Strip {
  constructor(name, range, signal, came) {
    this.name = name;
    this.range = range;
    this.levels = new ScoreLevels(name, came, signal);
    this.events = [];
    this.chosen = null;
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.element = h("div", { class: "strip", data: { camera: name } }, h("p", { class: "name" }, name), this.canvas);
  }

  across(us) { return (us - this.range.from) / this.range.span * this.wide; }

  at(pixel) { return this.range.from + pixel / Math.max(1, this.canvas.clientWidth) * this.range.span; }

  eventAt(us) {
    const near = 5 * this.range.span / Math.max(1, this.canvas.clientWidth);
    return this.events.find((one) => us >= one.start_us && us <= (one.end_us ?? Infinity))
      ?? this.events.find((one) => us >= one.start_us - near && us <= (one.end_us ?? one.start_us) + near);
  }

  scoreAt(us) {
    const level = this.levels.view(this.range.from, this.range.to, this.canvas.clientWidth || 600);
    if (!level) return null;
    const span = level.spans[place(level.spans, us + 1) - 1];
    return span && us - span[0] <= 1.5 * level.span_us ? span[1] : null;
  }

  draw(colours, now) {
    const { canvas } = this, ratio = devicePixelRatio || 1;
    this.wide = canvas.clientWidth;
    this.tall = canvas.clientHeight;
    if (!this.wide || !this.tall) return;
    if (canvas.width !== Math.round(this.wide * ratio) || canvas.height !== Math.round(this.tall * ratio)) {
      canvas.width = Math.round(this.wide * ratio);
      canvas.height = Math.round(this.tall * ratio);
    }
    const pen = this.pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, this.wide, this.tall);
    this.colours = colours;
    const later = this.across(now);
    if (later < this.wide) { pen.fillStyle = colours.well; pen.fillRect(Math.max(0, later), TOP, this.wide, this.tall); }
    this.bands(now);
    this.scores();
    this.cursor();
  }

  down(score) { return this.tall - BOTTOM - score * (this.tall - TOP - BOTTOM); }

  bands(now) {
    const { pen, colours } = this;
    for (const one of this.events) {
      const x = this.across(one.start_us), end = this.across(one.end_us ?? now), wide = Math.max(3, end - x);
      if (x + wide < -8 || x > this.wide + 8) continue;
      const health = one.kind === "health", mine = this.chosen === one.row;
      pen.fillStyle = health ? colours.fault : colours.alarm;
      pen.globalAlpha = mine ? 0.34 : 0.16;
      pen.fillRect(x, TOP, wide, this.tall - TOP);
      pen.globalAlpha = 1;
      this.mark(one, Math.min(this.wide - 5, Math.max(5, x + wide / 2)), mine);
    }
  }

  // The shape says what was said of it: full not reviewed, ring normal, square the camera, bar important.
  mark(one, x, mine) {
    const { pen, colours } = this, y = 7.5, size = mine ? 5.5 : 4;
    pen.strokeStyle = pen.fillStyle = one.kind === "health" ? colours.fault : colours.alarm;
    pen.lineWidth = 1.6;
    pen.beginPath();
    if (one.kind === "health") { pen.rect(x - size, y - size, 2 * size, 2 * size); pen.fill(); return; }
    if (one.verdict === "important") { pen.moveTo(x, y - size - 1); pen.lineTo(x + size + 1, y + size); pen.lineTo(x - size - 1, y + size);
      pen.closePath(); pen.fill(); return; }
    pen.arc(x, y, size, 0, 7);
    if (one.verdict === "normal" || one.verdict === "unsure") { pen.fillStyle = colours.card; pen.fill(); pen.stroke(); } else pen.fill();
    if (one.verdict === "unsure") { pen.beginPath(); pen.moveTo(x - 2, y); pen.lineTo(x + 2, y); pen.stroke(); }
  }

  scores() {
    const { pen, colours, range } = this, limit = this.down(0.5);
    pen.strokeStyle = colours.soft;
    pen.lineWidth = 1;
    pen.setLineDash([5, 4]);
    pen.beginPath(); pen.moveTo(0, limit); pen.lineTo(this.wide, limit); pen.stroke();
    pen.setLineDash([]);
    const level = this.levels.view(range.from, range.to, this.wide);
    if (!level) return;
    const runs = this.columns(level);
    this.curve(runs, colours.calm, limit, this.tall, 1.4);
    this.curve(runs.flatMap(above), colours.alarm, 0, limit, 2);
  }

  // One colour between two heights: filled up to the mean, a line along the peaks.
  curve(runs, colour, top, low, width) {
    const { pen } = this, bottom = this.down(0);
    pen.save();
    pen.beginPath(); pen.rect(0, top, this.wide, low - top); pen.clip();
    pen.fillStyle = pen.strokeStyle = colour;
    pen.lineWidth = width;
    for (const run of runs) {
      pen.beginPath();
      pen.moveTo(run[0][0], bottom);
      for (const [x, , mean] of run) pen.lineTo(x, this.down(mean));
      pen.lineTo(run[run.length - 1][0] + 1, bottom);
      pen.globalAlpha = 0.22; pen.fill(); pen.globalAlpha = 1;
      pen.beginPath();
      run.forEach(([x, peak], number) => (number ? pen.lineTo(x, this.down(peak)) : pen.moveTo(x, this.down(peak))));
      if (run.length === 1) pen.lineTo(run[0][0] + 1.5, this.down(run[0][1]));
      pen.stroke();
    }
    pen.restore();
  }

  // At most one [x, peak, mean] for a column, in runs without a gap.
  columns(level) {
    const runs = [], { spans } = level, apart = Math.max(2.2 * level.span_us, 2.2 * this.range.span / this.wide, SLOW_US);
    let run = [], last = null, column = null;
    const first = Math.max(0, place(spans, this.range.from) - 1);
    for (let i = first; i < spans.length; i += 1) {
      const [start, peak, mean] = spans[i], x = this.across(start + level.span_us / 2);
      if (last !== null && start - last > apart && run.length) { runs.push(run); run = []; column = null; }
      last = start;
      const here = Math.round(x / WIDTH_PX);
      if (here === column) { const held = run[run.length - 1]; held[1] = Math.max(held[1], peak); held[2] = Math.max(held[2], mean); }
      else { run.push([x, peak, mean]); column = here; }
      if (x > this.wide + 2) break;
    }
    if (run.length) runs.push(run);
    return runs;
  }

  cursor() {
    if (this.range.cursor === null) return;
    const x = Math.round(this.across(this.range.cursor)) + 0.5, { pen } = this;
    if (x < 0 || x > this.wide) return;
    pen.strokeStyle = this.colours.ink;
    pen.lineWidth = 1.4;
    pen.beginPath(); pen.moveTo(x, 0); pen.lineTo(x, this.tall); pen.stroke();
  }
}
