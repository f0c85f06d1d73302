// The charts of a report: the score of a recording over time, and the losses of a training over
// steps. Gestures, keys and axes are those of the app (time_chart.js).

import { integer, playTime } from "../shared/format.js";
import { addGestures, chartKeys, lowerBound, TimeChart, ViewRange } from "../shared/time_chart.js";

const THRESHOLD = 0.5;
const BADGES_PX = 24; // Height of the row of event numbers above the scores.
const NO_SCORE = 65535, FULL_SCORE = 65534;

// Numbers of 16 bits, packed by report/charts.py.
function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Uint16Array(bytes.buffer);
}

// The tick distance at which at most so many labels stand side by side.
function tickStep(steps, span, most) {
  return steps.find((step) => span / step <= most) ?? steps.at(-1);
}

// A line over an axis that can be looked at closely. What lies on the two axes is up to the
// classes that extend it; their points are `x` and `y`, with NaN where the line is interrupted.
class ReportChart extends TimeChart {
  constructor(plot, facts, margins) {
    const first = facts.from ?? 0, last = Math.max(facts.to, first + 1e-3);
    super(plot.querySelector("canvas"), new ViewRange(first, last, 1), margins);
    this.facts = facts;
    this.readout = document.getElementById(plot.dataset.readout);
    this.nearest = null; // Index of the point at the cursor.
    this.eventIndex = -1;
    this.showHint();
    this.isFollowing = false;
    this.range.onChange = () => {
      if (!this.isFollowing) this.onView?.();
      this.redraw();
    };
    addGestures(this.canvas, this.range, {
      chartAt: () => this,
      onPress: (chart, place, { event }) => this.press(this.inView(place), event.offsetY),
      onHover: (chart, place) => this.point(this.inView(place)),
      onDoubleClick: () => this.range.showAll(),
    });
    this.canvas.addEventListener("pointerleave", (event) => {
      if (event.buttons === 0) this.clearCursor();
    });
    this.listenToKeys(plot);
    new ResizeObserver(() => this.redraw()).observe(this.canvas);
    document.addEventListener("themed", () => this.redraw());
  }

  listenToKeys(plot) {
    const actions = {
      ...chartKeys(this.range, {
        step: (direction) => this.point(this.range.nextTo(direction)),
        goToEvent: (direction) => this.goToEvent(direction),
        showAll: () => this.range.showAll(),
      }),
      Home: () => this.range.showAll(),
      Enter: () => this.openCard(this.eventAt(this.range.cursor ?? this.range.middle)),
    };
    plot.addEventListener("keydown", (event) => {
      const action = actions[event.key];
      if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      action(event);
    });
    plot.addEventListener("blur", () => this.clearCursor());
    const tools = {
      in: () => this.range.zoom(0.5), out: () => this.range.zoom(2),
      all: () => this.range.showAll(),
      next: () => this.goToEvent(1), previous: () => this.goToEvent(-1),
    };
    for (const button of document.querySelectorAll(`[data-for="${plot.dataset.chart}"]`)) {
      button.addEventListener("click", tools[button.dataset.tool]);
    }
  }

  // Shows the same part as another chart without informing that one again.
  follow(range) {
    this.isFollowing = true;
    this.range.show(range.from, range.to);
    this.isFollowing = false;
  }

  // A pointer over the margins means the edge of the view, and must not move the view.
  inView(place) { return Math.min(this.range.to, Math.max(this.range.from, place)); }

  // Puts the cursor at a place, and finds the point that is read there.
  point(place) {
    const { range, x } = this;
    range.moveCursor(place);
    let index = lowerBound(x, range.cursor);
    const isBeforeNearer = index > 0
      && (index === x.length || range.cursor - x[index - 1] < x[index] - range.cursor);
    if (isBeforeNearer) index -= 1;
    const isNear = Math.abs(x[index] - range.cursor) < Math.max(1, range.span / 50);
    this.nearest = index < x.length && isNear && !Number.isNaN(this.y[index]) ? index : null;
    if (this.readout) this.readout.textContent = this.readoutText();
  }

  clearCursor() {
    this.range.cursor = null;
    this.nearest = null;
    this.showHint();
    this.redraw();
  }

  // While there is no cursor, the readout says what it is for.
  showHint() { if (this.readout) this.readout.textContent = this.facts.hint ?? ""; }

  // A chart without events has none to lead to.
  press(place) { this.point(place); }

  goToEvent() {}

  eventAt() { return null; }

  openCard() {}

  // However many things change, it is drawn once for each picture on the screen.
  redraw() {
    this.frameRequest ??= requestAnimationFrame(() => {
      this.frameRequest = null;
      if (this.begin()) this.draw();
    });
  }

  draw() {
    this.drawLevels();
    this.ticks(this.placeTicks(),
      { lineTop: this.bottom, lineHeight: 4, textTop: this.bottom + 7 });
    this.clipped(this.left, 0, this.right, this.height, () => {
      this.drawPlot(this.columns());
      this.drawCursor();
    });
  }

  // Lines across the plot at levels from 0 to 1, with their texts at the left.
  drawLevels() {
    const { pen, colours } = this;
    for (const { level, text } of this.levelTicks()) {
      const y = Math.round(this.down(level)) + 0.5;
      this.segment([this.left, y], [this.right, y], { colour: colours.line });
      pen.fillStyle = colours.soft;
      pen.textAlign = "right";
      pen.textBaseline = "middle";
      pen.fillText(text, this.left - 6, y);
    }
  }

  // What is in view as unbroken runs of [x in pixels, level]. Of very many points, the lowest and
  // the highest of each pixel are kept, in their order.
  columns() {
    const { range, x, y } = this;
    const first = Math.max(0, lowerBound(x, range.from) - 1);
    const end = Math.min(x.length, lowerBound(x, range.to) + 1);
    const isDense = end - first > 3 * this.plotWidth;
    const runs = [];
    let run = [], pixel = null, low = null, high = null;
    const endColumn = () => {
      if (pixel === null) return;
      const [before, after] = low.index <= high.index ? [low, high] : [high, low];
      run.push([pixel, before.level]);
      if (before.level !== after.level) run.push([pixel, after.level]);
      pixel = null;
    };
    const endRun = () => {
      endColumn();
      if (run.length) runs.push(run);
      run = [];
    };
    for (let index = first; index < end; index += 1) {
      if (Number.isNaN(y[index])) {
        endRun();
        continue;
      }
      const level = this.levelOf(y[index]), here = this.across(x[index]);
      if (!isDense) {
        run.push([here, level]);
        continue;
      }
      if (Math.round(here) !== pixel) {
        endColumn();
        pixel = Math.round(here);
        low = high = { index, level };
      }
      if (level < low.level) low = { index, level };
      if (level > high.level) high = { index, level };
    }
    endRun();
    return runs;
  }

  drawCursor() {
    if (this.range.cursor === null) return;
    const { pen, colours, nearest } = this;
    const x = this.across(nearest === null ? this.range.cursor : this.x[nearest]);
    this.segment([x, this.top], [x, this.bottom], { colour: colours.soft });
    if (nearest === null) return;
    const value = this.y[nearest];
    pen.fillStyle = this.isAlarming(value) ? colours.alarm : colours.calm;
    pen.strokeStyle = colours.card;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(x, this.down(this.levelOf(value)), 5, 0, 7);
    pen.fill();
    pen.stroke();
  }

  isAlarming() { return false; }
}

const TIME_STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200,
  14400, 21600, 43200, 86400];

// The score of a recording with its events, faults of the camera, and what was really there.
export class ScoreChart extends ReportChart {
  constructor(plot, facts) {
    super(plot, facts, { left: 34, right: 8, top: BADGES_PX, bottom: 24 });
    const steps = unpack(facts.steps), scores = unpack(facts.scores);
    let time_ms = facts.start_ms;
    this.x = Float64Array.from(steps, (step) => (time_ms += step) / 1000);
    this.y = Float64Array.from(scores,
      (score) => (score === NO_SCORE ? Number.NaN : score / FULL_SCORE));
    this.events = facts.events ?? [];
  }

  levelOf(score) { return score; }

  levelTicks() { return [0, 0.25, 0.5, 0.75, 1].map((level) => ({ level, text: String(level) })); }

  placeTicks() {
    const { range } = this;
    const step = tickStep(TIME_STEPS_S, range.span, Math.max(2, Math.floor(this.plotWidth / 90)));
    const ticks = [];
    for (let place = Math.ceil(range.from / step) * step; place <= range.to + 1e-9; place += step) {
      const text = playTime(place);
      ticks.push({ place, text: step < 1 ? text : text.slice(0, -2) });
    }
    return ticks;
  }

  isAlarming(score) { return score > this.facts.threshold; }

  eventAt(time_s) {
    const near = 4 * this.range.span / this.plotWidth;
    return this.events.find(({ start, end }) => time_s >= start - near && time_s <= end + near);
  }

  // The next or the previous event, with some time around it. The last leads to the first again.
  goToEvent(direction) {
    const { length } = this.events;
    if (!length) return;
    if (this.eventIndex < 0 && direction < 0) this.eventIndex = 0;
    this.eventIndex = (this.eventIndex + direction + length) % length;
    const { start, end, peak } = this.events[this.eventIndex];
    const around = Math.max(2 * (end - start), 5);
    this.range.show(start - around, end + around);
    this.point(peak);
  }

  // A press on the number of an event leads to its card.
  press(time_s, y) {
    const event = this.eventAt(time_s);
    if (event && y < BADGES_PX) this.openCard(event);
    else this.point(time_s);
  }

  openCard(event) {
    const card = event && document.getElementById(event.id);
    if (!card) return;
    card.scrollIntoView({ block: "start" });
    card.focus({ preventScroll: true });
  }

  readoutText() {
    const { cursor } = this.range, parts = [];
    if (this.nearest === null) parts.push(playTime(cursor), "no score");
    else {
      const score = this.y[this.nearest], side = this.isAlarming(score) ? "above" : "below";
      parts.push(playTime(this.x[this.nearest]), `score ${score.toFixed(3)}`,
        `${side} the threshold`);
    }
    const event = this.eventAt(cursor);
    if (event) parts.push(`event ${event.n}: ${event.reason}`);
    const fault = (this.facts.faults ?? []).find(
      ({ start, end }) => cursor >= start && cursor <= end);
    if (fault) parts.push(`camera: ${fault.reason}`);
    return parts.join(" · ");
  }

  drawPlot(runs) {
    const { colours, facts } = this;
    for (const { start, end } of facts.faults ?? []) {
      this.band(start, end, { colour: colours.fault, alpha: 0.3 });
    }
    this.drawEvents();
    for (const [start, end] of facts.truth ?? []) {
      this.band(start, end, { colour: colours.truth, top: this.bottom - 5 });
    }
    const limit = this.down(facts.threshold);
    this.segment([this.left, limit], [this.right, limit],
      { colour: colours.soft, width: 1.2, dash: [6, 4] });
    this.lines(runs, { colour: colours.calm, width: 1.6 });
    // Above the threshold the same line is red and thicker, and what lies under it is filled.
    this.clipped(this.left, 0, this.right, limit, () => {
      const lineRuns = runs.filter((run) => run.length > 1);
      const above = ([, score]) => Math.max(facts.threshold, score);
      this.fill(lineRuns, facts.threshold, above, { colour: colours["alarm-soft"] });
      this.lines(runs, { colour: colours.alarm, width: 2.4 });
    });
  }

  drawEvents() {
    let free = -Infinity; // From here on there is room for the next number.
    for (const { start, end, n } of this.events) {
      if (this.across(end) < this.left - 2 || this.across(start) > this.right) continue;
      const { x, width } = this.band(start, end, { colour: this.colours["alarm-soft"] });
      free = this.drawBadge(String(n), x + width / 2, free);
    }
    this.pen.font = `12px ${this.family}`;
  }

  // The number of an event in a pill. One that would cover the number before it is left out:
  // zooming in brings it out.
  drawBadge(text, centre, free) {
    const { pen, colours } = this;
    pen.font = `600 12px ${this.family}`;
    const half = Math.max(9, pen.measureText(text).width / 2 + 5);
    const x = Math.min(this.right - half, Math.max(this.left + half, centre));
    if (x - half < free) return free;
    pen.fillStyle = colours.alarm;
    pen.beginPath();
    pen.roundRect(x - half, 1, 2 * half, 18, 9);
    pen.fill();
    pen.fillStyle = colours.card;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.fillText(text, x, 10.5);
    return x + half + 2;
  }
}

const STEP_STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000,
  100000, 200000, 500000, 1e6];
const SHORTEST_STEPS = 20;

// A loss over the steps of a training, on a logarithmic scale.
export class LossChart extends ReportChart {
  constructor(plot, facts) {
    super(plot, facts, { left: 56, right: 8, top: 8, bottom: 24 });
    this.range.shortest = SHORTEST_STEPS;
    this.x = Float64Array.from(facts.x);
    this.y = Float64Array.from(facts.y);
    const losses = [...facts.y, ...(facts.dots?.y ?? [])].filter((loss) => loss > 0);
    const powers = losses.map(Math.log10);
    const low = Math.min(...powers), high = Math.max(...powers);
    const room = Math.max(0.08 * (high - low), 0.02);
    this.low = low - room;
    this.high = high + room;
  }

  levelOf(loss) { return (Math.log10(loss) - this.low) / (this.high - this.low); }

  // More lines between the powers of ten, the fewer powers are in view.
  levelTicks() {
    const powers = this.high - this.low, found = [];
    let digits = [1, 2, 3, 4, 5, 6, 8];
    if (powers > 0.6) digits = [1, 3];
    if (powers > 1.6) digits = [1];
    for (let power = Math.floor(this.low); power <= Math.ceil(this.high); power += 1) {
      for (const digit of digits) {
        const level = this.levelOf(digit * 10 ** power);
        if (level >= 0 && level <= 1) {
          found.push({ level, text: (digit * 10 ** power).toExponential(0) });
        }
      }
    }
    return found;
  }

  placeTicks() {
    const { range } = this;
    const step = tickStep(STEP_STEPS, range.span, Math.max(2, Math.floor(this.plotWidth / 90)));
    const ticks = [];
    for (let place = Math.ceil(range.from / step) * step; place <= range.to; place += step) {
      ticks.push({ place, text: integer(place) });
    }
    return ticks;
  }

  readoutText() {
    if (this.nearest === null) return "";
    const step = integer(Math.round(this.x[this.nearest]));
    return `step ${step}: ${this.y[this.nearest].toPrecision(3)}`;
  }

  drawPlot(runs) {
    const { pen, colours, facts } = this;
    for (const mark of facts.marks ?? []) {
      const x = this.across(mark);
      this.segment([x, this.top], [x, this.bottom],
        { colour: colours.soft, width: 1.2, dash: [2, 3] });
    }
    this.lines(runs, { colour: colours.calm, width: 1, alpha: 0.4 });
    this.lines([this.trend()], { colour: colours.calm, width: 2 });
    pen.fillStyle = colours.pattern;
    (facts.dots?.x ?? []).forEach((step, index) => {
      const loss = facts.dots.y[index];
      if (step < this.range.from || step > this.range.to || !(loss > 0)) return;
      pen.fillRect(this.across(step) - 3, this.down(this.levelOf(loss)) - 3, 6, 6);
    });
  }

  // Mean of the logarithm over the points before, so that the trend is seen through the noise.
  trend() {
    const { range } = this;
    const window = Math.max(1, Math.min(25, Math.floor(this.y.length / 10)));
    const points = [];
    let sum = 0;
    this.y.forEach((loss, index) => {
      sum += Math.log10(loss);
      if (index >= window) sum -= Math.log10(this.y[index - window]);
      const mean = sum / Math.min(window, index + 1), step = this.x[index];
      const inView = step >= range.from && step <= range.to;
      if (inView) points.push([this.across(step), this.levelOf(10 ** mean)]);
    });
    return points;
  }
}
