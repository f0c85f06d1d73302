// The clip of an event, or its picture where there is no clip, with the region that was unusual.

import { SECOND } from "../shared/format.js";
import { safeUrl } from "./api.js";
import { h, s } from "./dom.js";
import { icon } from "./icons.js";

// Where the server does not say when a clip begins, it is this long before its event: the default.
const BEFORE_US = 5 * SECOND;

const clipStart = (event) => event.clip_start_us ?? event.start_us - BEFORE_US;

function regionOutline([x1, y1, x2, y2]) {
  const edge = (kind) => s("rect", { class: kind, x: 1000 * x1, y: 1000 * y1,
    width: 1000 * (x2 - x1), height: 1000 * (y2 - y1) });
  return s("svg", { class: "box", viewBox: "0 0 1000 1000", preserveAspectRatio: "none",
    "aria-hidden": "true" }, edge("shade"), edge("line"));
}

export class ClipPlayer {
  // `onTime(us, video)` is called while the clip plays.
  constructor({ onTime } = {}) {
    this.onTime = onTime;
    this.event = null;
    this.element = h("div", { class: "player" });
  }

  show(event, { autoplay = false, at_us = null } = {}) {
    const isShown = ["row", "clip", "clip_error", "snapshot"]
      .every((key) => this.event?.[key] === event?.[key]);
    if (isShown) {
      this.event = event;
      if (at_us !== null) this.seek(at_us);
      return;
    }
    this.stop();
    this.event = event;
    this.video = null;
    if (!event) {
      this.element.replaceChildren();
      return;
    }
    this.still = h("div", { class: "still" }, ...this.stillParts(event));
    this.element.replaceChildren(this.still);
    const clip = safeUrl(event.clip);
    if (clip) this.addClip(clip, autoplay, at_us);
    else if (event.clip_error) this.addCaption(`No clip was saved: ${event.clip_error}.`);
    else if (event.end_us) this.addCaption("No clip was saved.");
    else this.addCaption("The clip is saved when the event ends.");
  }

  stillParts(event) {
    const missing = (text) => h("p", { class: "none" }, text);
    const snapshot = safeUrl(event.snapshot);
    if (!snapshot) return [missing("There is no picture of this event.")];
    const alt = `${event.camera} at the peak of the event: ${event.reason}`;
    const image = h("img", { src: snapshot, alt });
    image.addEventListener("error", () =>
      image.replaceWith(missing("The picture of this event was deleted.")));
    return [image, event.box && regionOutline(event.box)];
  }

  addCaption(text) { this.element.append(h("p", { class: "caption" }, text)); }

  addClip(clip, autoplay, at_us) {
    const label = `Clip of the event at ${this.event.camera}`;
    const video = h("video", { src: clip, preload: "metadata", playsinline: true, controls: true,
      hidden: true, "aria-label": label });
    video.muted = true;
    this.video = video;
    const start = h("button", { type: "button", class: "start", "aria-label": "Play the clip" },
      icon("play"), h("span", {}, "Play the clip"));
    start.addEventListener("click", () => this.play());
    this.start = start;
    video.addEventListener("timeupdate", () => this.onTime?.(this.time_us, video));
    video.addEventListener("error", () => {
      video.remove();
      start.remove();
      this.still.hidden = false;
      this.addCaption("The clip cannot be played: it was deleted, or this browser does not "
        + "support its format.");
    });
    this.element.append(video, start);
    if (at_us !== null) this.seek(at_us);
    if (autoplay) this.play();
  }

  // The picture gives way to the clip.
  reveal() {
    if (!this.video || !this.video.hidden) return;
    this.video.hidden = false;
    this.still.hidden = true;
    this.start.remove();
  }

  // A browser may refuse to play; then the user can still press the video's own button.
  play() {
    this.reveal();
    this.video.play().catch(() => {});
  }

  togglePlay() {
    if (!this.video) return;
    if (this.video.paused) this.play();
    else this.video.pause();
  }

  // Whether a time lies in the clip. Its length is not known before its metadata have come.
  covers(us) {
    if (!this.video) return false;
    const start_us = clipStart(this.event);
    const end_us = Number.isFinite(this.video.duration)
      ? start_us + this.video.duration * SECOND : (this.event.end_us ?? us) + BEFORE_US;
    return us >= start_us && us <= end_us;
  }

  setPosition(seconds) {
    const { video } = this;
    video.currentTime = Math.max(0, Math.min(video.duration || 0, seconds));
  }

  seek(us) {
    if (!this.video) return;
    const seek = () => {
      this.reveal();
      this.setPosition((us - clipStart(this.event)) / SECOND);
    };
    const isReady = this.video.readyState >= HTMLMediaElement.HAVE_METADATA;
    if (isReady) seek();
    else this.video.addEventListener("loadedmetadata", seek, { once: true });
  }

  // Moves by some seconds; false where there is no clip.
  step(seconds) {
    if (!this.video) return false;
    this.reveal();
    this.video.pause();
    this.setPosition(this.video.currentTime + seconds);
    return true;
  }

  // The time of the picture that is shown.
  get time_us() { return clipStart(this.event) + (this.video?.currentTime ?? 0) * SECOND; }

  stop() { this.video?.pause(); }
}
