// A camera's last picture, asked for again and again while somebody can see it.

import { answer, camera } from "./api.js";
import { h } from "./dom.js";

const PAUSE_MS = 500, SLOW_MS = 3000;

const pause = (ms, signal) => new Promise((resolve) => {
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
});

export class LivePicture {
  constructor(name, signal, heat = false) {
    this.name = name;
    this.signal = signal;
    this.heat = heat;
    this.image = h("img", { alt: `Live picture of ${name}`, hidden: true });
    this.none = h("p", { class: "none" }, "Waiting for a picture …");
    this.element = h("div", { class: "picture" }, this.image, this.none);
    this.seen = true;
    const watcher = new IntersectionObserver((entries) => { this.seen = entries[entries.length - 1].isIntersecting; });
    watcher.observe(this.element);
    signal.addEventListener("abort", () => { watcher.disconnect(); this.forget(); }, { once: true });
    this.poll();
  }

  async poll() {
    while (!this.signal.aborted) {
      let wait = PAUSE_MS;
      if (this.seen && !document.hidden) {
        try { await this.next(); } catch (error) {
          if (this.signal.aborted) return;
          wait = SLOW_MS;
          // Without a connection the last picture stays: the banner says that it is old.
          if (error.status !== 0 || this.image.hidden) this.missing(error.message);
        }
      }
      await pause(wait, this.signal);
    }
  }

  async next() {
    const response = await answer(camera(this.name, "live.jpg", { heat: this.heat ? 1 : 0 }), { signal: this.signal });
    const picture = await response.blob();
    if (this.signal.aborted) return;
    const address = URL.createObjectURL(picture);
    const before = this.address;
    this.address = address;
    this.image.src = address;
    try { await this.image.decode(); } catch { /* a newer picture took its place */ }
    if (before) URL.revokeObjectURL(before);
    this.image.hidden = false;
    this.none.hidden = true;
  }

  missing(sentence) {
    this.image.hidden = true;
    this.none.hidden = false;
    this.none.textContent = sentence;
  }

  forget() {
    if (this.address) URL.revokeObjectURL(this.address);
  }
}
