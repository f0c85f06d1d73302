// The stretch of time in view, and the place in it: what all strips share. Times are microseconds.

import { SECOND } from "./words.js";

const LEAST = 20 * SECOND;

export class TimeWindow {
  constructor(first, last) {
    this.bounds(first, last);
    this.from = first;
    this.to = last;
    this.cursor = null;
    this.told = () => {};
  }

  // How far one may look back and on.
  bounds(first, last) {
    this.first = first;
    this.last = last;
  }

  get span() { return this.to - this.from; }

  show(from, to) {
    const most = this.last - this.first;
    const span = Math.min(most, Math.max(LEAST, to - from));
    const start = Math.min(this.last - span, Math.max(this.first, (from + to - span) / 2));
    this.from = start;
    this.to = start + span;
    this.told();
  }

  zoom(factor, around = this.cursor ?? (this.from + this.to) / 2) {
    const middle = Math.min(this.to, Math.max(this.from, around));
    this.show(middle - (middle - this.from) * factor, middle + (this.to - middle) * factor);
  }

  pan(share) { this.show(this.from + share * this.span, this.to + share * this.span); }

  // Moves the cursor; the view follows it out of sight.
  point(us) {
    this.cursor = Math.min(this.last, Math.max(this.first, us));
    if (this.cursor < this.from || this.cursor > this.to) this.show(this.cursor - this.span / 2, this.cursor + this.span / 2);
    else this.told();
  }
}
