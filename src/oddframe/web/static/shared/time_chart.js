// What every chart over time shares, in the app and in the reports: the part of time in view, the
// gestures and keys that change it, and the drawing on a canvas. What a chart shows is up to the
// classes that extend TimeChart: strips of scores in the app, score and losses in a report.
//
// Places on the axis are numbers of any unit: microseconds in the app, seconds or steps in reports.

const MOVED_PX = 4; // A pointer that moves less is pressed, not dragged.
const GRAB_PX = { touch: 16, other: 7 }; // So near the cursor, dragging moves it.
const PINCH_PX = 12; // Two fingers closer than this would zoom without bounds.

// The part of the axis that is in view, and the cursor in it. Several charts may share one.
export class ViewRange {
  // `shortest` is the least that may be in view; `onChange` is called after each change.
  constructor(first, last, shortest) {
    this.shortest = shortest;
    this.setBounds(first, last);
    this.from = first;
    this.to = last;
    this.cursor = null;
    this.onChange = () => {};
  }

  // How far back and on one may look.
  setBounds(first, last) {
    this.first = first;
    this.last = last;
  }

  get span() { return this.to - this.from; }

  get middle() { return (this.from + this.to) / 2; }

  get isWhole() { return this.from <= this.first && this.to >= this.last; }

  // Brings a part into view. What is too short, too long or beyond the bounds is put right.
  show(from, to) {
    const longest = this.last - this.first;
    const span = Math.min(longest, Math.max(this.shortest, to - from));
    const start = Math.min(this.last - span, Math.max(this.first, (from + to - span) / 2));
    this.from = start;
    this.to = start + span;
    this.onChange();
  }

  showAll() { this.show(this.first, this.last); }

  // The place `around` stays where it is on the screen.
  zoom(factor, around = this.cursor ?? this.middle) {
    const fixed = Math.min(this.to, Math.max(this.from, around));
    this.show(fixed - (fixed - this.from) * factor, fixed + (this.to - fixed) * factor);
  }

  pan(share) { this.show(this.from + share * this.span, this.to + share * this.span); }

  // Moves the cursor; the view follows where it would leave it.
  moveCursor(place) {
    this.cursor = Math.min(this.last, Math.max(this.first, place));
    if (this.cursor >= this.from && this.cursor <= this.to) this.onChange();
    else this.show(this.cursor - this.span / 2, this.cursor + this.span / 2);
  }

  // The place that an arrow key leads to: a hundredth of the view before or after the cursor.
  nextTo(direction) { return (this.cursor ?? this.middle) + direction * this.span / 100; }
}

// Wheel, drag, pinch and press on the canvases inside `area`.
//
// `chartAt(event)` finds the chart under a pointer. `onPress(chart, place, {scrubbing, event})` is
// called for a press, and while the cursor is dragged where `canScrub`; `onHover(chart, place)` for
// a pointer that only passes; `onDoubleClick(chart, place)` for two presses. Where `keepsWheel()`
// is false, the wheel alone is left to the page.
export function addGestures(area, range, handlers, signal) {
  const { chartAt, onPress, onDoubleClick, onHover = () => {}, canScrub = false,
    keepsWheel = () => true } = handlers;
  const pointers = new Map(); // Where each pointer that is down was last, by its id.
  let moved = 0, pressed = null, scrubbing = false;
  const pixelOf = (event, chart) => event.clientX - chart.canvas.getBoundingClientRect().left;

  area.addEventListener("wheel", (event) => {
    const chart = chartAt(event);
    if (!chart) return;
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    // There is nothing more to zoom out to, so the page scrolls on.
    const isDone = event.deltaY > 0 && range.isWhole;
    if (!sideways && !event.ctrlKey && (isDone || !(keepsWheel() || event.shiftKey))) return;
    event.preventDefault();
    if (sideways || event.shiftKey) {
      range.pan((event.deltaX || event.deltaY) / chart.canvas.clientWidth);
    } else {
      const factor = Math.exp(Math.max(-1, Math.min(1, event.deltaY / 250)));
      range.zoom(factor, chart.placeAt(pixelOf(event, chart)));
    }
  }, { passive: false, signal });

  area.addEventListener("pointerdown", (event) => {
    const chart = chartAt(event);
    if (!chart || event.button !== 0) return;
    pressed = chart;
    chart.canvas.setPointerCapture(event.pointerId);
    const x = pixelOf(event, chart), grab = GRAB_PX[event.pointerType] ?? GRAB_PX.other;
    scrubbing = canScrub && pointers.size === 0 && range.cursor !== null
      && Math.abs(chart.across(range.cursor) - x) < grab;
    pointers.set(event.pointerId, x);
    moved = 0;
  }, { signal });

  area.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (before === undefined) {
      const chart = chartAt(event);
      if (chart) onHover(chart, chart.placeAt(pixelOf(event, chart)));
      return;
    }
    const x = pixelOf(event, pressed);
    const other = [...pointers].find(([id]) => id !== event.pointerId);
    moved += Math.abs(x - before);
    pointers.set(event.pointerId, x);
    if (other) {
      const distance = (pixel) => Math.max(PINCH_PX, Math.abs(pixel - other[1]));
      range.zoom(distance(before) / distance(x), pressed.placeAt((x + other[1]) / 2));
    } else if (scrubbing) onPress(pressed, pressed.placeAt(x), { scrubbing: true, event });
    else if (moved > MOVED_PX) range.pan((before - x) / pressed.plotWidth);
  }, { signal });

  const release = (event) => {
    const x = pointers.get(event.pointerId);
    pointers.delete(event.pointerId);
    const isPress = event.type === "pointerup" && moved <= MOVED_PX && pointers.size === 0;
    if (x !== undefined && isPress) {
      onPress(pressed, pressed.placeAt(x), { scrubbing: false, event });
    }
  };
  area.addEventListener("pointerup", release, { signal });
  area.addEventListener("pointercancel", release, { signal });
  area.addEventListener("dblclick", (event) => {
    const chart = chartAt(event);
    if (chart) onDoubleClick(chart, chart.placeAt(pixelOf(event, chart)));
  }, { signal });
}

// The keys that every chart knows, as {key: action(event)}. `step(direction)` moves the cursor,
// `goToEvent(direction)` leads to the next or the previous event, `showAll` shows the whole.
export function chartKeys(range, { step, goToEvent, showAll }) {
  const arrow = (direction) => (event) => {
    if (event.shiftKey) range.pan(0.2 * direction);
    else step(direction);
  };
  const zoomIn = () => range.zoom(0.5), zoomOut = () => range.zoom(2);
  return {
    ArrowLeft: arrow(-1), ArrowRight: arrow(1),
    "+": zoomIn, "=": zoomIn, "-": zoomOut, 0: showAll,
    n: () => goToEvent(1), p: () => goToEvent(-1),
  };
}

const COLOURS = ["card", "ink", "soft", "line", "well", "calm", "alarm", "alarm-soft", "truth",
  "fault", "pattern"];
let knownStyle = null;

// A page that changes its theme sends "themed"; in the capture phase, so that this comes first.
document.addEventListener("themed", () => { knownStyle = null; }, { capture: true });

// Colours and font of what is drawn on a canvas, as the theme has them now. A canvas does not know
// light-dark(): each colour is read from an element that has it.
function chartStyle() {
  if (knownStyle) return knownStyle;
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const colourOf = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  knownStyle = {
    colours: Object.fromEntries(COLOURS.map((name) => [name, colourOf(name)])),
    family: getComputedStyle(document.body).fontFamily,
  };
  probe.remove();
  return knownStyle;
}

// The first index whose key is not below a value; items are in order of their keys.
export function lowerBound(items, value, keyOf = (item) => item) {
  let low = 0, high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keyOf(items[middle]) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

// A canvas with an axis: what is a place, where is its pixel, and how is it drawn.
export class TimeChart {
  // `margins` are pixels around the plot: {left, right, top, bottom}.
  constructor(canvas, range, margins) {
    this.canvas = canvas;
    this.range = range;
    this.margins = margins;
  }

  get plotWidth() {
    return Math.max(1, this.canvas.clientWidth - this.margins.left - this.margins.right);
  }

  across(place) {
    return this.margins.left + (place - this.range.from) / this.range.span * this.plotWidth;
  }

  placeAt(pixel) {
    return this.range.from + (pixel - this.margins.left) / this.plotWidth * this.range.span;
  }

  // Height of a level between 0 and 1.
  down(level) { return this.bottom - level * (this.bottom - this.top); }

  // An empty canvas as sharp as the screen is; false while it cannot be seen.
  begin() {
    const { canvas, margins } = this, ratio = devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width || !height) return false;
    const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== wide || canvas.height !== high) {
      canvas.width = wide;
      canvas.height = high;
    }
    const { colours, family } = chartStyle();
    Object.assign(this, { width, height, colours, family });
    Object.assign(this, { left: margins.left, right: width - margins.right });
    Object.assign(this, { top: margins.top, bottom: height - margins.bottom });
    this.pen = canvas.getContext("2d");
    this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.pen.clearRect(0, 0, width, height);
    this.pen.font = `12px ${family}`;
    return true;
  }

  // Draws inside a part of the canvas only.
  clipped(left, top, right, bottom, draw) {
    this.pen.save();
    this.pen.beginPath();
    this.pen.rect(left, top, right - left, bottom - top);
    this.pen.clip();
    draw();
    this.pen.restore();
  }

  // A stretch of time as a coloured band; gives its left edge and its width.
  band(start, end, { colour, alpha = 1, narrowest = 2, top = this.top, bottom = this.bottom }) {
    const x = this.across(start), width = Math.max(narrowest, this.across(end) - x);
    this.pen.fillStyle = colour;
    this.pen.globalAlpha = alpha;
    this.pen.fillRect(x, top, width, bottom - top);
    this.pen.globalAlpha = 1;
    return { x, width };
  }

  segment([x1, y1], [x2, y2], { colour, width = 1, dash = [] }) {
    const { pen } = this;
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.setLineDash(dash);
    pen.beginPath();
    pen.moveTo(x1, y1);
    pen.lineTo(x2, y2);
    pen.stroke();
    pen.setLineDash([]);
  }

  // Lines through runs of [x in pixels, level]; a run of one point is a dot.
  lines(runs, { colour, width, alpha = 1, join = "bevel", dot_px = 3 }) {
    const { pen } = this;
    Object.assign(pen, { strokeStyle: colour, fillStyle: colour, lineWidth: width });
    Object.assign(pen, { lineJoin: join, globalAlpha: alpha });
    pen.beginPath();
    for (const run of runs) {
      if (run.length === 1) {
        const [x, level] = run[0];
        pen.fillRect(x - dot_px / 2, this.down(level) - dot_px / 2, dot_px, dot_px);
        continue;
      }
      pen.moveTo(run[0][0], this.down(run[0][1]));
      for (const [x, level] of run) pen.lineTo(x, this.down(level));
    }
    pen.stroke();
    pen.globalAlpha = 1;
  }

  // Fills between a level and what `levelOf` gives for each point of the runs.
  fill(runs, base, levelOf, { colour, alpha = 1 }) {
    const { pen } = this;
    pen.fillStyle = colour;
    pen.globalAlpha = alpha;
    for (const run of runs) {
      pen.beginPath();
      pen.moveTo(run[0][0], this.down(base));
      for (const point of run) pen.lineTo(point[0], this.down(levelOf(point)));
      pen.lineTo(run[run.length - 1][0], this.down(base));
      pen.fill();
    }
    pen.globalAlpha = 1;
  }

  // Short lines at ticks ({place, text, strong}), and their texts where they stay inside the plot.
  ticks(ticks, { lineTop, lineHeight, textTop }) {
    const { pen, colours } = this;
    pen.textAlign = "left";
    pen.textBaseline = "top";
    for (const { place, text, strong } of ticks) {
      const x = this.across(place), textWidth = pen.measureText(text).width;
      if (x < this.left - 0.5 || x > this.right + 0.5) continue;
      pen.fillStyle = strong ? colours.ink : colours.soft;
      pen.fillText(text, Math.min(this.right - textWidth, Math.max(0, x - textWidth / 2)), textTop);
      pen.fillStyle = colours.line;
      pen.fillRect(Math.round(x), lineTop, 1, lineHeight);
    }
  }
}
