// The clip of an event, or its picture where there is no clip, with the region that was unusual.

import { address } from "./api.js";
import { h, s } from "./dom.js";
import { icon } from "./icons.js";
import { reason } from "./words.js";

// Without a word from the server a clip begins as long before its event as it does by default.
const BEFORE_US = 5e6;

export const clipStart = (event) => event.clip_start_us ?? event.start_us - BEFORE_US;

export class ClipPlayer {
  constructor({ ontime } = {}) {
    this.ontime = ontime;
    this.event = null;
    this.element = h("div", { class: "player" });
  }

  show(event, { autoplay = false, at_us = null } = {}) {
    if (this.event?.row === event?.row && this.event?.clip === event?.clip && this.event?.snapshot === event?.snapshot) {
      this.event = event;
      if (at_us !== null) this.seek(at_us);
      return;
    }
    this.stop();
    this.event = event;
    this.video = null;
    if (!event) { this.element.replaceChildren(); return; }
    const snapshot = address(event.snapshot), clip = address(event.clip);
    const box = event.box && s("svg", { class: "box", viewBox: "0 0 1000 1000", preserveAspectRatio: "none", "aria-hidden": "true" },
      ["shade", "line"].map((kind) => s("rect",
        { class: kind, x: 1000 * event.box[0], y: 1000 * event.box[1], width: 1000 * (event.box[2] - event.box[0]),
        height: 1000 * (event.box[3] - event.box[1]) })));
    if (snapshot) {
      const image = h("img", { src: snapshot, alt: `${reason(event)}: ${event.camera} at the peak of the event` });
      image.addEventListener("error", () => image.replaceWith(h("p", { class: "none" }, "The picture is no longer there.")));
      this.still = h("div", { class: "still" }, image, box);
    } else this.still = h("div", { class: "still" }, h("p", { class: "none" }, "There is no picture of this event."));
    this.element.replaceChildren(this.still);
    if (clip) this.addClip(clip, autoplay, at_us);
    else this.element.append(h("p", { class: "caption" }, event.end_us ? "No clip was kept." : "The clip comes when the event has ended."));
  }

  addClip(clip, autoplay, at_us) {
    const video = h("video", { src: clip, preload: "metadata", playsinline: true, controls: true, hidden: true,
      "aria-label": `Clip of the event at ${this.event.camera}` });
    video.muted = true;
    this.video = video;
    const start = h("button", { type: "button", class: "start", "aria-label": "Play the clip" }, icon("play"),
      h("span", {}, "Play the clip"));
    start.addEventListener("click", () => { this.reveal(); video.play().catch(() => {}); });
    this.start = start;
    video.addEventListener("timeupdate", () => this.ontime?.(clipStart(this.event) + video.currentTime * 1e6, video));
    video.addEventListener("error", () => { video.remove(); start.remove(); this.still.hidden = false;
      this.element.append(h("p", { class: "caption" },
      "The clip cannot be played: it is no longer there, or not of a kind that this browser knows.")); });
    this.element.append(video, start);
    if (at_us !== null) this.seek(at_us);
    if (autoplay) { this.reveal(); video.play().catch(() => {}); }
  }

  // The picture gives way to the clip.
  reveal() {
    if (!this.video || !this.video.hidden) return;
    this.video.hidden = false;
    this.still.hidden = true;
    this.start.remove();
  }

  toggle() {
    if (!this.video) return;
    this.reveal();
    if (this.video.paused) this.video.play().catch(() => {}); else this.video.pause();
  }

  // Whether a time lies in the clip.
  covers(us) {
    if (!this.video) return false;
    const start = clipStart(this.event), long = Number.isFinite(this.video.duration) ? this.video.duration * 1e6 : null;
    return us >= start && us <= (long === null ? (this.event.end_us ?? us) + BEFORE_US : start + long);
  }

  seek(us) {
    if (!this.video) return;
    const go = () => { this.reveal(); this.video.currentTime = Math.max(0,
      Math.min(this.video.duration || 0, (us - clipStart(this.event)) / 1e6)); };
    if (this.video.readyState >= 1) go(); else this.video.addEventListener("loadedmetadata", go, { once: true });
  }

  step(seconds) {
    if (!this.video) return false;
    this.reveal();
    this.video.pause();
    this.video.currentTime = Math.max(0, Math.min(this.video.duration || 0, this.video.currentTime + seconds));
    return true;
  }

  // The time of the picture that is shown.
  place() { return clipStart(this.event) + (this.video?.currentTime ?? 0) * 1e6; }

  stop() { this.video?.pause(); }
}
