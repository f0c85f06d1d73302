// What a camera shows now: as a stream of pictures, or asked for again and again.

import { duration } from "../shared/format.js";
import { cameraPath, fetchResponse } from "./api.js";
import { h, setText } from "./dom.js";

const PAUSE_MS = 500, PAUSE_AFTER_ERROR_MS = 3000;
// The rate is counted over so long.
const RATE_MS = 3000;
// A picture that is older than this is said to be old, in seconds.
const OLD_S = 3;
const TOO_MANY = 503;

const pause = (ms, signal) => new Promise((resolve) => {
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
});

// Where the head of a part ends, or -1: at an empty line.
function headEnd(bytes) {
  for (let at = 0; at + 3 < bytes.length; at += 1) {
    if (bytes[at] === 13 && bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) {
      return at + 4;
    }
  }
  return -1;
}

// The pictures of a multipart answer, each as {picture, time}.
async function* pictureParts(body) {
  let bytes = new Uint8Array(0);
  const reader = body.getReader();
  for (;;) {
    const { done, value: piece } = await reader.read();
    if (done) return;
    const joined = new Uint8Array(bytes.length + piece.length);
    joined.set(bytes);
    joined.set(piece, bytes.length);
    bytes = joined;
    for (let end = headEnd(bytes); end > 0; end = headEnd(bytes)) {
      const head = new TextDecoder().decode(bytes.subarray(0, end));
      const length = Number(/content-length: (\d+)/i.exec(head)[1]);
      if (bytes.length < end + length) break;
      const picture = new Blob([bytes.subarray(end, end + length)], { type: "image/jpeg" });
      yield { picture, time: /x-time-s: (\S+)/i.exec(head)?.[1] };
      bytes = bytes.slice(end + length);
    }
  }
}

export class LivePicture {
  // With `streams` every picture is shown, else two in a second, while somebody can see it.
  constructor(name, signal, { heat = false, streams = false } = {}) {
    Object.assign(this, { name, signal, heat, streams });
    this.image = h("img", { alt: `Live picture of ${name}`, hidden: true });
    this.message = h("p", { class: "none" }, "Waiting for a picture …");
    this.age = h("p", { class: "age number", hidden: true });
    this.element = h("div", { class: "picture" }, this.image, this.message, this.age);
    this.isVisible = true;
    this.shownAt = [];
    const watcher = new IntersectionObserver((entries) => {
      this.isVisible = entries.at(-1).isIntersecting;
    });
    watcher.observe(this.element);
    signal.addEventListener("abort", () => {
      watcher.disconnect();
      if (this.address) URL.revokeObjectURL(this.address);
    }, { once: true });
    this.run();
  }

  get isSeen() { return this.isVisible && !document.hidden && !this.signal.aborted; }

  async run() {
    while (!this.signal.aborted) {
      let pauseMs = PAUSE_MS;
      if (this.isSeen) {
        try {
          if (this.streams) await this.follow();
          else await this.loadNext();
        } catch (error) {
          if (this.signal.aborted) return;
          // Where too many look, pictures are asked for one by one.
          if (error.status === TOO_MANY && this.streams) {
            this.streams = false;
            continue;
          }
          pauseMs = PAUSE_AFTER_ERROR_MS;
          // Without a connection the last picture stays: the banner says that it is old.
          if (error.status || this.image.hidden) this.showMessage(error.message);
        }
      }
      await pause(pauseMs, this.signal);
    }
  }

  // Shows each picture that comes, until nobody sees it or another kind of picture is wanted.
  async follow() {
    const { heat } = this, ending = new AbortController();
    const end = () => ending.abort();
    this.signal.addEventListener("abort", end, { once: true });
    try {
      const path = cameraPath(this.name, "live.mjpeg", { heat: heat ? 1 : 0 });
      const response = await fetchResponse(path, { signal: ending.signal });
      let timeBefore = null;
      for await (const { picture, time } of pictureParts(response.body)) {
        if (!this.isSeen || this.heat !== heat) return;
        // One that was sent again is no new picture.
        if (time !== timeBefore) this.showNext(picture);
        timeBefore = time;
      }
    } finally {
      end();
      this.signal.removeEventListener("abort", end);
    }
  }

  // Shows a picture once the one before is shown. If more come meanwhile only the newest is, so
  // that a slow browser lags behind by one picture and not by all that wait on their way.
  async showNext(picture) {
    this.next = picture;
    if (this.isShowing) return;
    this.isShowing = true;
    while (this.next) {
      const newest = this.next;
      this.next = null;
      await this.show(newest);
    }
    this.isShowing = false;
  }

  async loadNext() {
    const path = cameraPath(this.name, "live.jpg", { heat: this.heat ? 1 : 0 });
    const response = await fetchResponse(path, { signal: this.signal });
    await this.show(await response.blob());
  }

  async show(picture) {
    if (this.signal.aborted) return;
    const before = this.address;
    this.address = URL.createObjectURL(picture);
    this.image.src = this.address;
    try { await this.image.decode(); } catch { /* A newer picture took its place. */ }
    if (before) URL.revokeObjectURL(before);
    this.image.hidden = false;
    this.message.hidden = true;
    this.shownAt.push(performance.now());
  }

  // How many pictures a second were shown of late, in words; "" while there are none.
  rateText() {
    const now = performance.now();
    this.shownAt = this.shownAt.filter((at) => at > now - RATE_MS);
    const rate = this.shownAt.length / (RATE_MS / 1000);
    return this.streams && rate ? `${rate.toFixed(rate < 10 ? 1 : 0)} pictures/s` : "";
  }

  // Says how old the picture is, and dims it, where the camera sends none any more.
  showAge({ state }) {
    const { phase, silent_s: silent } = state ?? {};
    const isOld = phase !== "live" && (silent ?? 0) > OLD_S && !this.image.hidden;
    this.element.classList.toggle("old", isOld);
    this.age.hidden = !isOld;
    setText(this.age, isOld ? `last picture ${duration(silent)} ago` : "");
  }

  showMessage(text) {
    this.image.hidden = true;
    this.age.hidden = true;
    this.message.hidden = false;
    this.message.textContent = text;
  }
}
