"use strict";

// Plays the frames of an event over its snapshot; heat lies over each of them where it is wanted.
class Viewer {
  constructor(figure, told) {
    this.figure = figure;
    this.frames = told.frames;
    this.canvas = figure.querySelector("canvas");
    this.heat = figure.querySelector(".heat-on");
    this.button = figure.querySelector(".play");
    this.range = figure.querySelector("input[type=range]");
    this.at = figure.querySelector(".at");
    this.images = [];
    this.playing = false;
    this.number = told.peak;
    this.range.max = String(this.frames.length - 1);
    this.range.value = String(told.peak);
    this.tell();
    this.button.addEventListener("click", () => (this.playing ? this.stop() : this.play()));
    this.range.addEventListener("input", () => { this.stop(); this.go(Number(this.range.value)); });
    if (this.heat) this.heat.addEventListener("change", () => this.paint());
    figure.querySelector(".stage").addEventListener("click", () => this.button.click());
    figure.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "h" && this.heat) this.heat.click();
      else if (event.key === " " && event.target === this.range) this.button.click();
      else return;
      event.preventDefault();
    });
  }

  image(source) {
    const image = new Image();
    image.src = source;
    return image.decode().then(() => image, () => null);
  }

  async load() {
    if (!this.loading) {
      this.loading = Promise.all(this.frames.map(async (frame) => ({
        picture: await this.image(frame.src),
        heat: frame.heat ? await this.image(frame.heat) : null,
      }))).then((images) => { this.images = images; });
    }
    return this.loading;
  }

  async go(number) {
    this.number = number;
    this.range.value = String(number);
    this.tell();
    await this.load();
    this.figure.classList.add("running");
    this.paint();
  }

  paint() {
    const shown = this.images[this.number];
    if (!shown || !shown.picture) return;
    const { naturalWidth: width, naturalHeight: height } = shown.picture;
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    const context = this.canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(shown.picture, 0, 0);
    if (shown.heat && this.heat && this.heat.checked) context.drawImage(shown.heat, 0, 0, width, height);
  }

  tell() {
    const frame = this.frames[this.number];
    const score = frame.s === null ? "" : ` · score ${frame.s.toFixed(2)}`;
    this.at.textContent = clock(frame.t) + score;
    this.range.setAttribute("aria-valuetext", clock(frame.t) + score);
  }

  async play() {
    this.playing = true;
    this.button.textContent = "Pause";
    let number = this.number >= this.frames.length - 1 ? 0 : this.number;
    if (!this.figure.classList.contains("running")) number = 0;
    await this.go(number);
    let began = performance.now() - 1000 * (this.frames[number].t - this.frames[0].t);
    const last = this.frames[this.frames.length - 1].t - this.frames[0].t;
    const step = (now) => {
      if (!this.playing) return;
      let passed = (now - began) / 1000;
      if (passed > last + 0.6) { began = now; passed = 0; }
      let next = 0;
      while (next + 1 < this.frames.length && this.frames[next + 1].t - this.frames[0].t <= passed) next += 1;
      if (next !== this.number) this.go(next);
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  stop() {
    this.playing = false;
    this.button.textContent = "Play";
  }
}
