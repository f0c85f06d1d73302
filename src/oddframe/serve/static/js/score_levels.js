// The scores of one camera at several finenesses: what is there is drawn at once, what is finer comes a moment later.

import { ask, camera } from "./api.js";
import { now, SECOND } from "./words.js";

const MOST = 2000, KEPT = 12, PAUSE_MS = 140;

export class ScoreLevels {
  constructor(name, came, signal) {
    this.name = name;
    this.came = came;
    this.signal = signal;
    this.levels = [];
    this.timer = null;
    this.asked = null;
    this.fresh = 0;
  }

  // Columns of [start_us, peak, mean] for a view; asks for finer ones where those at hand are coarse.
  view(from, to, pixels) {
    const covering = this.levels.filter((one) => one.from <= from && one.to >= to);
    const finest = covering.reduce((best, one) => (best === null || one.span_us <= best.span_us ? one : best), null);
    const wanted = Math.max(SECOND, (to - from) / pixels);
    const old = finest !== null && finest.to > finest.asked && finest.asked < this.fresh;
    if (finest === null || old || finest.span_us > wanted * 2.5 && finest.span_us > SECOND) this.want(from, to);
    return finest ?? this.levels.reduce((best, one) => {
      const shared = Math.min(one.to, to) - Math.max(one.from, from);
      return shared > 0 && (best === null || shared > Math.min(best.to, to) - Math.max(best.from, from)) ? one : best;
    }, null);
  }

  want(from, to) {
    this.wanted = [from, to];
    if (this.asked && this.asked[0] <= from && this.asked[1] >= to && (this.asked[1] - this.asked[0]) < 4 * (to - from)) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.load(), this.levels.length ? PAUSE_MS : 0);
  }

  async load() {
    const [from, to] = this.wanted, room = to - from;
    const asked = now(), whole = [Math.floor(from - room / 2), Math.ceil(to + room / 2)];
    this.asked = whole;
    try {
      const told = await ask(camera(this.name, "scores", { from_us: whole[0], to_us: whole[1], most: MOST }), { signal: this.signal });
      this.add({ asked, from: whole[0], to: whole[1], span_us: told.span_us, spans: told.spans });
    } catch (error) {
      if (!this.signal.aborted) this.came(error);
    } finally {
      if (this.asked === whole) this.asked = null;
    }
  }

  add(level) {
    this.levels.push(level);
    if (this.levels.length > KEPT) this.levels.shift();
    this.came(null);
  }

  // Time has gone on: what reaches into the present is asked for again when it is next in view.
  refresh() { this.fresh = now(); }
}

// First place whose start is not below a time.
export function place(spans, us) {
  let low = 0, high = spans.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (spans[middle][0] < us) low = middle + 1; else high = middle;
  }
  return low;
}
