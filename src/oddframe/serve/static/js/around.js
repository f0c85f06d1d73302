// The score in the minutes around an event.

import { h } from "./dom.js";
import { Strip } from "./strip.js";
import { stripStyle } from "./strip_style.js";
import { TimeAxis } from "./time_axis.js";
import { TimeWindow } from "./time_window.js";
import { now, SECOND } from "./words.js";

const AROUND_US = 120 * SECOND;

// A strip that shows one event after the other; `draw(us)` moves its cursor.
export class Around {
  constructor(signal) {
    this.signal = signal;
    this.range = new TimeWindow(0, 1);
    this.axis = new TimeAxis(this.range);
    this.place = h("div", {});
    this.element = h("section", { class: "card around", "aria-label": "The score around it" },
      h("h3", { class: "pad-head" }, "The score around it"), this.place);
    const observer = new ResizeObserver(() => this.draw());
    observer.observe(this.place);
    signal.addEventListener("abort", () => observer.disconnect(), { once: true });
    document.addEventListener("themed", () => this.draw(), { signal });
  }

  show(event) {
    const end = event.end_us ?? now();
    this.range.bounds(event.start_us - AROUND_US, Math.min(end, event.start_us + 10 * AROUND_US) + AROUND_US);
    this.range.show(this.range.first, this.range.last);
    this.range.cursor = null;
    if (this.strip?.name !== event.camera) {
      this.strip = new Strip(event.camera, this.range, this.signal, (error) => { if (!error) this.draw(); });
      this.strip.canvas.classList.add("still-strip");
      this.place.replaceChildren(this.strip.element, this.axis.element);
    }
    this.strip.events = [event];
    this.strip.chosen = event.row;
    this.draw();
  }

  draw(us) {
    if (us !== undefined) this.range.cursor = us;
    if (!this.strip) return;
    const { colours, font } = stripStyle();
    this.strip.draw(colours, now());
    this.axis.draw(colours, font);
  }
}
