"use strict";

// 0:07.3, 12:40.0, 1:02:03.4
function clock(seconds) {
  const tenths = Math.round(Math.abs(seconds) * 10);
  const minutes = Math.floor(tenths / 600), rest = tenths % 600;
  const hours = Math.floor(minutes / 60);
  const head = hours ? `${hours}:${String(minutes % 60).padStart(2, "0")}` : String(minutes);
  return `${seconds < 0 && tenths ? "-" : ""}${head}:${String(Math.floor(rest / 10)).padStart(2, "0")}.${rest % 10}`;
}

function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Uint16Array(bytes.buffer);
}

// A line over time or over steps that can be looked at closely: wheel, pinch, drag, keys.
class Chart {
  constructor(plot, told) {
    this.plot = plot;
    this.told = told;
    this.canvas = plot.querySelector("canvas");
    this.readout = document.getElementById(plot.dataset.readout);
    this.marks = [...(told.events || []), ...(told.faults || [])];
    this.read();
    this.whole = [told.from ?? 0, Math.max(told.to, (told.from ?? 0) + 1e-3)];
    this.view = [...this.whole];
    this.cursor = null;
    this.event = -1;
    this.pointers = new Map();
    this.onview = () => {};
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    this.rest();
  }

  // Points as two rows, NaN where the line is interrupted.
  read() {
    const told = this.told;
    if (told.steps === undefined) {
      this.x = Float64Array.from(told.x);
      this.y = Float64Array.from(told.y);
    } else {
      const steps = unpacked(told.steps), scores = unpacked(told.scores);
      this.x = new Float64Array(steps.length);
      this.y = new Float64Array(steps.length);
      let tick = told.start_ms;
      for (let i = 0; i < steps.length; i += 1) {
        tick += steps[i];
        this.x[i] = tick / 1000;
        this.y[i] = scores[i] === 65535 ? NaN : scores[i] / 65534;
      }
    }
    if (!told.log) { this.low = 0; this.high = 1; return; }
    const all = [...this.y, ...(told.dots ? told.dots.y : [])].filter((value) => value > 0).map(Math.log10);
    this.low = Math.min(...all); this.high = Math.max(...all);
    const room = Math.max(0.08 * (this.high - this.low), 0.02);
    this.low -= room; this.high += room;
  }

  listen() {
    const plot = this.plot, canvas = this.canvas;
    canvas.addEventListener("wheel", (event) => {
      const out = event.deltaY > 0;
      if (out && this.isWhole() && !event.ctrlKey) return;  // the page goes on
      event.preventDefault();
      if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.pan(event.deltaX / canvas.clientWidth);
      else this.zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY / 250))), this.value(event.offsetX));
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, event.offsetX);
      this.moved = 0;
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = this.pointers.get(event.pointerId);
      if (before === undefined) { this.point(this.value(event.offsetX)); return; }
      const others = [...this.pointers].filter(([id]) => id !== event.pointerId);
      this.moved += Math.abs(event.offsetX - before);
      this.pointers.set(event.pointerId, event.offsetX);
      if (others.length) {
        const other = others[0][1], apart = Math.max(8, Math.abs(event.offsetX - other));
        this.zoom(Math.max(8, Math.abs(before - other)) / apart, this.value((event.offsetX + other) / 2));
      } else if (this.moved > 3) {
        this.pan((before - event.offsetX) / Math.max(1, this.right - this.left));
      }
    });
    const let_go = (event) => {
      if (this.pointers.size === 1 && this.moved <= 3 && event.type === "pointerup") this.press(this.value(event.offsetX), event.offsetY);
      this.pointers.delete(event.pointerId);
    };
    canvas.addEventListener("pointerup", let_go);
    canvas.addEventListener("pointercancel", let_go);
    canvas.addEventListener("pointerleave", () => { if (!this.pointers.size) this.rest(); });
    canvas.addEventListener("dblclick", () => this.show(this.whole));
    plot.addEventListener("keydown", (event) => this.key(event));
    plot.addEventListener("blur", () => this.rest());
    const tools = document.querySelectorAll(`[data-for="${plot.dataset.chart}"]`);
    for (const tool of tools) tool.addEventListener("click", () => this.tool(tool.dataset.tool));
  }

  tool(name) {
    if (name === "in") this.zoom(0.5); else if (name === "out") this.zoom(2); else if (name === "all") this.show(this.whole);
    else this.step(name === "next" ? 1 : -1);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const span = this.view[1] - this.view[0];
    const middle = this.cursor ?? (this.view[0] + this.view[1]) / 2;
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      const way = event.key === "ArrowLeft" ? -1 : 1;
      if (event.shiftKey) this.pan(way * 0.2);
      else {
        const to = Math.min(this.whole[1], Math.max(this.whole[0], middle + way * span / 100));
        if (to < this.view[0] || to > this.view[1]) this.pan(way * 0.5);
        this.point(to);
      }
    } else if (event.key === "+" || event.key === "=") this.zoom(0.6, middle);
    else if (event.key === "-") this.zoom(1 / 0.6, middle);
    else if (event.key === "0" || event.key === "Home") this.show(this.whole);
    else if (event.key === "n") this.step(1);
    else if (event.key === "p") this.step(-1);
    else if (event.key === "Enter") this.open(this.eventAt(middle));
    else return;
    event.preventDefault();
  }

  // The next or the previous event, with some of what is around it.
  step(way) {
    const events = this.told.events || [];
    if (!events.length) return;
    this.event = (this.event + way + events.length + (this.event < 0 && way < 0 ? 1 : 0)) % events.length;
    const one = events[this.event];
    const room = Math.max(2 * (one.end - one.start), 5);
    this.show([one.start - room, one.end + room]);
    this.point(one.peak);
  }

  press(value, y) {
    const one = this.eventAt(value);
    if (one && y < 24) this.open(one);
    else this.point(value);
  }

  open(one) {
    const card = one && document.getElementById(one.id);
    if (!card) return;
    card.scrollIntoView({ block: "start" });
    card.focus({ preventScroll: true });
  }

  eventAt(value) {
    const near = 4 * (this.view[1] - this.view[0]) / Math.max(1, this.right - this.left);
    return (this.told.events || []).find((one) => value >= one.start - near && value <= one.end + near);
  }

  isWhole() { return this.view[0] <= this.whole[0] && this.view[1] >= this.whole[1]; }

  value(pixel) { return this.view[0] + (pixel - this.left) / Math.max(1, this.right - this.left) * (this.view[1] - this.view[0]); }

  zoom(factor, around = (this.view[0] + this.view[1]) / 2) {
    this.show([around - (around - this.view[0]) * factor, around + (this.view[1] - around) * factor]);
  }

  pan(share) {
    const by = share * (this.view[1] - this.view[0]);
    this.show([this.view[0] + by, this.view[1] + by]);
  }

  show(view, tell = true) {
    const least = Math.min(this.told.log ? 20 : 1, this.whole[1] - this.whole[0]);
    const span = Math.min(this.whole[1] - this.whole[0], Math.max(least, view[1] - view[0]));
    const start = Math.min(this.whole[1] - span, Math.max(this.whole[0], (view[0] + view[1] - span) / 2));
    this.view = [start, start + span];
    if (tell) this.onview(this.view);
    this.draw();
  }

  // First place whose x is not below a value.
  place(value) {
    let low = 0, high = this.x.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.x[middle] < value) low = middle + 1; else high = middle;
    }
    return low;
  }

  point(value) {
    this.cursor = Math.min(this.view[1], Math.max(this.view[0], value));
    let near = this.place(this.cursor);
    if (near > 0 && (near === this.x.length || this.cursor - this.x[near - 1] < this.x[near] - this.cursor)) near -= 1;
    const y = this.y[near];
    const there = near < this.x.length && Math.abs(this.x[near] - this.cursor) < Math.max(1, (this.view[1] - this.view[0]) / 50);
    this.near = there && !Number.isNaN(y) ? near : null;
    if (this.readout) this.readout.textContent = this.words(this.cursor);
    this.draw();
  }

  words(value) {
    if (this.told.log) {
      return this.near === null ? "" : `step ${Math.round(this.x[this.near]).toLocaleString("en")}: ${this.y[this.near].toPrecision(3)}`;
    }
    const parts = [clock(this.near === null ? value : this.x[this.near])];
    if (this.near === null) parts.push("no score");
    else parts.push(`score ${this.y[this.near].toFixed(3)}`, this.y[this.near] > 0.5 ? "above the threshold" : "below the threshold");
    const one = this.eventAt(value);
    if (one) parts.push(`event ${one.n}: ${one.reason}`);
    const fault = (this.told.faults || []).find((f) => value >= f.start && value <= f.end);
    if (fault) parts.push(`camera: ${fault.reason}`);
    return parts.join(" · ");
  }

  rest() {
    this.cursor = null;
    this.near = null;
    if (this.readout) this.readout.textContent = this.told.hint || "";
    this.draw();
  }

  // However many things change, it is drawn once for each picture on the screen.
  draw() {
    this.due ??= requestAnimationFrame(() => { this.due = null; this.paint(); });
  }

  paint() {
    const canvas = this.canvas, ratio = devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width || !height) return;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const style = getComputedStyle(document.documentElement);
    this.colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const pen = this.pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = `12px ${getComputedStyle(this.plot).fontFamily}`;
    this.left = this.told.log ? 56 : 34; this.right = width - 8;
    this.top = this.told.log ? 8 : 24; this.bottom = height - 24;
    this.across = (value) => this.left + (value - this.view[0]) / (this.view[1] - this.view[0]) * (this.right - this.left);
    this.down = (value) => this.bottom - ((this.told.log ? Math.log10(value) : value) - this.low) / (this.high - this.low) * (this.bottom - this.top);
    this.axes();
    pen.save();
    pen.beginPath();
    pen.rect(this.left, 0, this.right - this.left, height);
    pen.clip();
    this.bands();
    const columns = this.columns();
    if (this.told.log) this.losses(columns); else this.scores(columns);
    this.cross();
    pen.restore();
  }

  axes() {
    const pen = this.pen;
    pen.strokeStyle = this.colour("line"); pen.fillStyle = this.colour("soft"); pen.lineWidth = 1;
    pen.textAlign = "right"; pen.textBaseline = "middle";
    for (const value of this.ticksUp()) {
      const y = Math.round(this.down(value)) + 0.5;
      pen.beginPath(); pen.moveTo(this.left, y); pen.lineTo(this.right, y); pen.stroke();
      pen.fillText(this.told.log ? value.toExponential(Number.isInteger(Math.log10(value)) ? 0 : 0) : String(value), this.left - 6, y);
    }
    pen.textBaseline = "top";
    const span = this.view[1] - this.view[0];
    const steps = this.told.log
      ? [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000, 1e6]
      : [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];
    const most = Math.max(2, Math.floor((this.right - this.left) / 90));
    const step = steps.find((one) => span / one <= most) || steps[steps.length - 1];
    for (let at = Math.ceil(this.view[0] / step) * step; at <= this.view[1] + 1e-9; at += step) {
      const x = this.across(at);
      const text = this.told.log ? at.toLocaleString("en") : step < 1 ? clock(at) : clock(at).slice(0, -2);
      const half = pen.measureText(text).width / 2;
      pen.textAlign = x + half > this.right ? "right" : x - half < 0 ? "left" : "center";
      pen.fillText(text, pen.textAlign === "right" ? this.right : x, this.bottom + 7);
      pen.beginPath(); pen.moveTo(Math.round(x) + 0.5, this.bottom); pen.lineTo(Math.round(x) + 0.5, this.bottom + 4); pen.stroke();
    }
  }

  ticksUp() {
    if (!this.told.log) return [0, 0.25, 0.5, 0.75, 1];
    const found = [];
    for (let power = Math.floor(this.low); power <= Math.ceil(this.high); power += 1) {
      for (const digit of this.high - this.low > 1.6 ? [1] : this.high - this.low > 0.6 ? [1, 3] : [1, 2, 3, 4, 5, 6, 8]) {
        const level = Math.log10(digit) + power;
        if (level >= this.low && level <= this.high) found.push(digit * 10 ** power);
      }
    }
    return found;
  }

  bands() {
    const pen = this.pen;
    for (const fault of this.told.faults || []) {
      const x = this.across(fault.start), wide = Math.max(2, this.across(fault.end) - x);
      pen.fillStyle = this.colour("fault"); pen.globalAlpha = 0.3;
      pen.fillRect(x, this.top, wide, this.bottom - this.top);
      pen.globalAlpha = 1;
    }
    let free = -Infinity;
    for (const one of this.told.events || []) {
      const x = this.across(one.start), wide = Math.max(2, this.across(one.end) - x);
      if (x + wide < this.left || x > this.right) continue;
      pen.fillStyle = this.colour("alarm-soft");
      pen.fillRect(x, this.top, wide, this.bottom - this.top);
      pen.font = `600 12px ${getComputedStyle(this.plot).fontFamily}`;
      const text = String(one.n), half = Math.max(9, pen.measureText(text).width / 2 + 5);
      const centre = Math.min(this.right - half, Math.max(this.left + half, x + wide / 2));
      if (centre - half < free) continue;  // the number would cover the one before; zooming in brings it out
      free = centre + half + 2;
      pen.fillStyle = this.colour("alarm");
      pen.beginPath(); pen.roundRect(centre - half, 1, 2 * half, 18, 9); pen.fill();
      pen.fillStyle = this.colour("card"); pen.textAlign = "center"; pen.textBaseline = "middle";
      pen.fillText(text, centre, 10.5);
    }
    pen.font = `12px ${getComputedStyle(this.plot).fontFamily}`;
    pen.fillStyle = this.colour("truth");
    for (const [start, end] of this.told.truth || []) {
      pen.fillRect(this.across(start), this.bottom - 5, Math.max(2, this.across(end) - this.across(start)), 5);
    }
    pen.strokeStyle = this.colour("soft"); pen.lineWidth = 1.2;
    for (const [value, up] of [...(this.told.marks || []).map((m) => [m, true]), ...(this.told.threshold === undefined ? [] : [[this.told.threshold, false]])]) {
      pen.setLineDash(up ? [2, 3] : [6, 4]);
      pen.beginPath();
      if (up) { pen.moveTo(this.across(value), this.top); pen.lineTo(this.across(value), this.bottom); }
      else { pen.moveTo(this.left, this.down(value)); pen.lineTo(this.right, this.down(value)); }
      pen.stroke();
    }
    pen.setLineDash([]);
  }

  // What is in view as a list of unbroken runs of points; of many points the lowest and the highest of each pixel.
  columns() {
    const first = Math.max(0, this.place(this.view[0]) - 1), last = Math.min(this.x.length, this.place(this.view[1]) + 1);
    const runs = [];
    let run = [];
    const dense = last - first > 3 * (this.right - this.left);
    let column = null, low = Infinity, high = -Infinity, lowAt = 0, highAt = 0;
    const flush = () => {
      if (column === null) return;
      const x = column;
      if (low === high) run.push([x, low]);
      else if (lowAt < highAt) run.push([x, low], [x, high]);
      else run.push([x, high], [x, low]);
      column = null; low = Infinity; high = -Infinity;
    };
    for (let i = first; i < last; i += 1) {
      const y = this.y[i];
      if (Number.isNaN(y)) { flush(); if (run.length) runs.push(run); run = []; continue; }
      const x = this.across(this.x[i]);
      if (!dense) { run.push([x, y]); continue; }
      const here = Math.round(x);
      if (here !== column) { flush(); column = here; }
      if (y < low) { low = y; lowAt = i; }
      if (y > high) { high = y; highAt = i; }
    }
    flush();
    if (run.length) runs.push(run);
    return runs;
  }

  line(runs, colour, width, alpha = 1) {
    const pen = this.pen;
    pen.strokeStyle = pen.fillStyle = colour; pen.lineWidth = width; pen.lineJoin = "bevel"; pen.globalAlpha = alpha;
    pen.beginPath();
    for (const run of runs) {
      if (run.length === 1) { pen.fillRect(run[0][0] - 1.5, this.down(run[0][1]) - 1.5, 3, 3); continue; }
      run.forEach(([x, y], number) => (number ? pen.lineTo(x, this.down(y)) : pen.moveTo(x, this.down(y))));
    }
    pen.stroke();
    pen.globalAlpha = 1;
  }

  scores(runs) {
    const pen = this.pen, limit = this.down(this.told.threshold);
    this.line(runs, this.colour("calm"), 1.6);
    // Above the threshold the same line is another colour and thicker, and what lies under it is filled.
    pen.save();
    pen.beginPath(); pen.rect(this.left, 0, this.right - this.left, limit); pen.clip();
    pen.fillStyle = this.colour("alarm-soft");
    for (const run of runs) {
      if (run.length < 2) continue;
      pen.beginPath(); pen.moveTo(run[0][0], limit);
      for (const [x, y] of run) pen.lineTo(x, Math.min(limit, this.down(y)));
      pen.lineTo(run[run.length - 1][0], limit); pen.fill();
    }
    this.line(runs, this.colour("alarm"), 2.4);
    pen.restore();
  }

  losses(runs) {
    this.line(runs, this.colour("calm"), 1, 0.4);
    this.line([this.smooth()], this.colour("calm"), 2);
    const pen = this.pen, dots = this.told.dots;
    pen.fillStyle = this.colour("pattern");
    if (dots) dots.x.forEach((x, number) => {
      const y = dots.y[number];
      if (x < this.view[0] || x > this.view[1] || !(y > 0)) return;
      pen.beginPath(); pen.rect(this.across(x) - 3, this.down(y) - 3, 6, 6); pen.fill();
    });
  }

  // Mean of the logarithm over the last part of the curve, so that the trend is seen through the noise.
  smooth() {
    const window = Math.max(1, Math.min(25, Math.floor(this.y.length / 10))), found = [];
    let sum = 0, count = 0;
    for (let i = 0; i < this.y.length; i += 1) {
      sum += Math.log10(this.y[i]); count += 1;
      if (count > window) { sum -= Math.log10(this.y[i - window]); count -= 1; }
      if (this.x[i] >= this.view[0] && this.x[i] <= this.view[1]) found.push([this.across(this.x[i]), 10 ** (sum / count)]);
    }
    return found;
  }

  cross() {
    if (this.cursor === null) return;
    const pen = this.pen, x = this.across(this.near === null ? this.cursor : this.x[this.near]);
    pen.strokeStyle = this.colour("soft"); pen.lineWidth = 1;
    pen.beginPath(); pen.moveTo(x, this.top); pen.lineTo(x, this.bottom); pen.stroke();
    if (this.near === null) return;
    const y = this.y[this.near];
    pen.fillStyle = this.colour(!this.told.log && y > this.told.threshold ? "alarm" : "calm");
    pen.strokeStyle = this.colour("card"); pen.lineWidth = 2;
    pen.beginPath(); pen.arc(x, this.down(y), 5, 0, 7); pen.fill(); pen.stroke();
  }
}
