// One camera's scores and events in the part of time that is in view, and the times below.

import { DAY, HOUR, hourAndMinute, MINUTE, now, SECOND, shortDay, startOfDay, timeOfDay }
  from "../shared/format.js";
import { lowerBound, TimeChart } from "../shared/time_chart.js";
import { cameraPath, fetchJson } from "./api.js";
import { h } from "./dom.js";
import { link } from "./router.js";

const THRESHOLD = 0.5;

// A camera that brings a frame within this time has no gap in its curve.
const SLOW_US = 3.5e6;
const COLUMN_PX = 1.5;

// How many columns are asked for at once, how many answers are kept, and how long to wait while
// somebody still moves the view.
const MOST_COLUMNS = 2000, KEPT_LEVELS = 12, PAUSE_MS = 140;

// The scores of one camera at several resolutions: what is known is drawn at once, what is finer
// comes a moment later.
class ScoreLevels {
  // `onLoaded(error)` is called when something has come, with null, or has failed.
  constructor(cameraName, onLoaded, signal) {
    this.cameraName = cameraName;
    this.onLoaded = onLoaded;
    this.signal = signal;
    this.levels = [];
    this.timer = null;
    this.loading = null;
    this.staleBefore = 0;
    // Whether nothing is asked for now, since an overview of all cameras is on its way.
    this.waits = false;
  }

  // The best level for a view, with its columns as `spans` of [start_us, peak, mean], or null.
  // Asks for a finer one where those at hand are coarse.
  view(from, to, pixels) {
    const covering = this.levels.filter((level) => level.from <= from && level.to >= to);
    const finest = covering.reduce((best, level) =>
      (best === null || level.span_us <= best.span_us ? level : best), null);
    if (finest === null || this.isStale(finest) || this.isCoarse(finest, (to - from) / pixels)) {
      this.request(from, to);
    }
    if (finest !== null) return finest;
    const shared = (level) => Math.min(level.to, to) - Math.max(level.from, from);
    return this.levels.filter((level) => shared(level) > 0).reduce((best, level) =>
      (best === null || shared(level) > shared(best) ? level : best), null);
  }

  // Time has gone on since a level was loaded that reaches into the present, by a part of a column.
  isStale(level) {
    const least = Math.min(this.staleBefore, now() - level.span_us / 8);
    return level.to > level.loaded_us && level.loaded_us < least;
  }

  isCoarse(level, pixel_us) {
    return level.span_us > SECOND && level.span_us > 2.5 * Math.max(SECOND, pixel_us);
  }

  request(from, to) {
    if (this.waits) return;
    this.wanted = [from, to];
    if (this.loading) {
      const [start, end] = this.loading;
      // What is on its way will do.
      if (start <= from && end >= to && end - start < 4 * (to - from)) return;
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.load(), this.levels.length ? PAUSE_MS : 0);
  }

  // Loads half a view more on each side, so that a small move needs no request.
  async load() {
    const [from, to] = this.wanted, room = to - from, loaded_us = now();
    const range = [Math.floor(from - room / 2), Math.ceil(to + room / 2)];
    this.loading = range;
    const query = { from_us: range[0], to_us: range[1], most: MOST_COLUMNS };
    try {
      const path = cameraPath(this.cameraName, "scores", query);
      const { span_us, spans } = await fetchJson(path, { signal: this.signal });
      this.take({ loaded_us, from: range[0], to: range[1], span_us, spans });
      this.onLoaded(null);
    } catch (error) {
      if (!this.signal.aborted) this.onLoaded(error);
    } finally {
      if (this.loading === range) this.loading = null;
    }
  }

  // Takes over a level that somebody else has loaded.
  take(level) {
    this.levels.push(level);
    if (this.levels.length > KEPT_LEVELS) this.levels.shift();
  }

  // What reaches into the present is loaded again when it is next in view.
  refresh() { this.staleBefore = now(); }
}

const startOf = ([start_us]) => start_us;
const meanOf = ([, , mean]) => mean;

// The parts of a run that lie above the threshold, with the points beside them.
function partsAbove(run) {
  const parts = [];
  let part = null;
  run.forEach((point, index) => {
    if (point[1] > THRESHOLD) {
      if (!part) parts.push(part = index ? [run[index - 1]] : []);
      part.push(point);
    } else {
      if (part) part.push(point);
      part = null;
    }
  });
  return parts;
}

const TALL = { left: 0, right: 0, top: 15, bottom: 4 }, LOW = { ...TALL, top: 4, bottom: 1 };

// The strip of a camera: `element` goes into the page, `draw` draws it. One that `isLow` has its
// marks in front of the curve and not above it.
export class ScoreStrip extends TimeChart {
  constructor(cameraName, range, signal, onLoaded) {
    const canvas = h("canvas", { "aria-hidden": "true" });
    super(canvas, range, TALL);
    this.cameraName = cameraName;
    this.levels = new ScoreLevels(cameraName, onLoaded, signal);
    this.events = [];
    this.chosenRow = null;
    this.element = h("div", { class: "strip", data: { camera: cameraName } },
      h("a", { class: "name", href: link(["cameras", cameraName]), title: cameraName }, cameraName),
      canvas);
  }

  set isLow(isLow) { this.margins = isLow ? LOW : TALL; }

  // The event at a time, or one that a finger may have meant.
  eventAt(us) {
    const near = 5 * this.range.span / this.plotWidth;
    return this.events.find(({ start_us, end_us }) => us >= start_us && us <= (end_us ?? Infinity))
      ?? this.events.find(({ start_us, end_us }) =>
        us >= start_us - near && us <= (end_us ?? start_us) + near);
  }

  // The highest score of the column at a time, or null.
  scoreAt(us) {
    const level = this.levels.view(this.range.from, this.range.to, this.canvas.clientWidth || 600);
    if (!level) return null;
    const column = level.spans[lowerBound(level.spans, us + 1, startOf) - 1];
    return column && us - startOf(column) <= 1.5 * level.span_us ? column[1] : null;
  }

  draw(time_us) {
    if (!this.begin()) return;
    const future = Math.max(0, this.across(time_us));
    if (future < this.width) {
      this.pen.fillStyle = this.colours.well;
      this.pen.fillRect(future, this.top, this.width, this.height);
    }
    this.drawEvents(time_us);
    this.drawScores();
    this.drawCursor();
  }

  drawEvents(time_us) {
    for (const event of this.events) {
      const end_us = event.end_us ?? time_us;
      if (end_us < this.placeAt(-8) || event.start_us > this.placeAt(this.width + 8)) continue;
      const isChosen = this.chosenRow === event.row;
      const colour = event.kind === "health" ? this.colours.fault : this.colours.alarm;
      const alpha = isChosen ? 0.34 : 0.16;
      const { x, width } = this.band(event.start_us, end_us,
        { colour, alpha, narrowest: 3, bottom: this.height });
      const centre = Math.min(this.width - 5, Math.max(5, x + width / 2));
      this.drawMark(event, centre, isChosen ? 5.5 : 4, colour);
    }
  }

  // The shape tells the verdict, for those who cannot tell the colours: a dot is not reviewed, a
  // triangle important, a ring normal, a ring with a line unsure. A square is the camera's health.
  drawMark(event, x, size, colour) {
    const { pen } = this, y = this.top / 2 + (this.margins === LOW ? 4 : 0);
    pen.strokeStyle = pen.fillStyle = colour;
    pen.lineWidth = 1.6;
    pen.beginPath();
    if (event.kind === "health") {
      pen.rect(x - size, y - size, 2 * size, 2 * size);
      pen.fill();
      return;
    }
    if (event.verdict === "important") {
      pen.moveTo(x, y - size - 1);
      pen.lineTo(x + size + 1, y + size);
      pen.lineTo(x - size - 1, y + size);
      pen.closePath();
      pen.fill();
      return;
    }
    pen.arc(x, y, size, 0, 7);
    if (event.verdict === "normal" || event.verdict === "unsure") {
      pen.fillStyle = this.colours.card;
      pen.fill();
      pen.stroke();
    } else pen.fill();
    if (event.verdict === "unsure") this.segment([x - 2, y], [x + 2, y], { colour, width: 1.6 });
  }

  // Filled up to the mean of each column, a line along the peaks; red above the threshold.
  drawScores() {
    const { colours, width } = this, limit = this.down(THRESHOLD);
    this.segment([0, limit], [width, limit], { colour: colours.soft, dash: [5, 4] });
    const level = this.levels.view(this.range.from, this.range.to, width);
    if (!level) return;
    const runs = this.columns(level);
    const curve = (parts, colour, lineWidth) => {
      this.fill(parts, 0, meanOf, { colour, alpha: 0.22 });
      this.lines(parts, { colour, width: lineWidth, join: "miter", dot_px: 1.5 });
    };
    this.clipped(0, limit, width, this.height, () => curve(runs, colours.calm, 1.4));
    const above = runs.flatMap(partsAbove);
    this.clipped(0, 0, width, limit, () => curve(above, colours.alarm, 2));
  }

  // At most one [x, peak, mean] for each column of pixels, in runs without a gap.
  columns({ spans, span_us }) {
    const pixel_us = this.range.span / this.width;
    const longestGap = Math.max(2.2 * span_us, 2.2 * pixel_us, SLOW_US);
    const runs = [];
    let run = [], last_us = null, lastColumn = null;
    const endRun = () => {
      if (run.length) runs.push(run);
      run = [];
      lastColumn = null;
    };
    const first = Math.max(0, lowerBound(spans, this.range.from, startOf) - 1);
    for (let index = first; index < spans.length; index += 1) {
      const [start_us, peak, mean] = spans[index], x = this.across(start_us + span_us / 2);
      if (last_us !== null && start_us - last_us > longestGap) endRun();
      last_us = start_us;
      const column = Math.round(x / COLUMN_PX);
      if (column === lastColumn) {
        const point = run[run.length - 1];
        point[1] = Math.max(point[1], peak);
        point[2] = Math.max(point[2], mean);
      } else {
        run.push([x, peak, mean]);
        lastColumn = column;
      }
      if (x > this.width + 2) break;
    }
    endRun();
    return runs;
  }

  drawCursor() {
    if (this.range.cursor === null) return;
    const x = Math.round(this.across(this.range.cursor)) + 0.5;
    if (x < 0 || x > this.width) return;
    this.segment([x, 0], [x, this.height], { colour: this.colours.ink, width: 1.4 });
  }
}

const STEPS = [5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE,
  10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY,
  2 * DAY, 7 * DAY];
const LABEL_PX = 84;

// Times of day and dates along a range. They count from midnight, so that they fall on whole hours
// in every zone, and start again at each midnight, since a day may have 23 or 25 hours.
function calendarTicks(range, width) {
  const step = STEPS.find((length) => range.span / length <= width / LABEL_PX) ?? STEPS.at(-1);
  const ticks = [];
  let day = startOfDay(range.from);
  const first = step < DAY ? day + Math.floor((range.from - day) / step) * step : day;
  for (let at = first; at <= range.to; at += step) {
    if (step < DAY && at >= day + 23 * HOUR && startOfDay(at) > day) at = day = startOfDay(at);
    const place = step < DAY ? at : startOfDay(at + DAY / 2);
    const strong = place === startOfDay(place);
    const time = step < MINUTE ? timeOfDay(place) : hourAndMinute(place);
    ticks.push({ place, strong, text: strong ? shortDay(place) : time });
  }
  return ticks;
}

// The times under the strips.
export class TimeAxis extends TimeChart {
  constructor(range) {
    const canvas = h("canvas", { "aria-hidden": "true" });
    super(canvas, range, { left: 0, right: 0, top: 0, bottom: 0 });
    this.element = h("div", { class: "axis-row" }, canvas);
  }

  draw() {
    if (!this.begin()) return;
    const ticks = calendarTicks(this.range, this.width);
    this.ticks(ticks, { lineTop: 0, lineHeight: 5, textTop: 8 });
  }
}
