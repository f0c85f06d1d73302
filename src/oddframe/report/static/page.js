// A report's page: its charts, the clips of its events, and the button that changes the theme.

import { formatScore, playTime } from "../shared/format.js";
import { LossChart, ScoreChart } from "./charts.js";

// The chance to see the last frame before the clip begins again.
const PAUSE_AT_END_S = 0.6;

// Plays the frames of an event over its snapshot, with the heat map over each where it is wanted.
class ClipViewer {
  constructor(figure, { frames, peak }) {
    this.figure = figure;
    this.frames = frames;
    this.canvas = figure.querySelector("canvas");
    this.heat = figure.querySelector(".heat-on");
    this.button = figure.querySelector(".play");
    this.slider = figure.querySelector("input[type=range]");
    this.text = figure.querySelector(".at");
    this.isPlaying = false;
    this.slider.max = String(frames.length - 1);
    this.setFrame(peak);
    this.button.addEventListener("click", () => (this.isPlaying ? this.stop() : this.play()));
    this.slider.addEventListener("input", () => {
      this.stop();
      this.show(Number(this.slider.value));
    });
    this.heat?.addEventListener("change", () => this.draw());
    figure.querySelector(".stage").addEventListener("click", () => this.button.click());
    figure.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "h" && this.heat) this.heat.click();
      else if (event.key === " " && event.target === this.slider) this.button.click();
      else return;
      event.preventDefault();
    });
  }

  // The image of an address, or null where it cannot be read.
  decode(address) {
    const image = new Image();
    image.src = address;
    return image.decode().then(() => image, () => null);
  }

  // Decodes all frames, once: nobody waits for that who only reads.
  load() {
    this.images ??= Promise.all(this.frames.map(async ({ src, heat }) => ({
      picture: await this.decode(src), heat: heat ? await this.decode(heat) : null,
    })));
    return this.images;
  }

  setFrame(index) {
    this.index = index;
    this.slider.value = String(index);
    const { t: time_s, s: score } = this.frames[index];
    const text = playTime(time_s) + (score === null ? "" : ` · score ${formatScore(score)}`);
    this.text.textContent = text;
    this.slider.setAttribute("aria-valuetext", text);
  }

  async show(index) {
    this.setFrame(index);
    await this.load();
    this.figure.classList.add("running");
    await this.draw();
  }

  async draw() {
    // Until a frame is shown, the snapshot has its own heat map.
    if (!this.figure.classList.contains("running")) return;
    const { picture, heat } = (await this.load())[this.index];
    if (!picture) return;
    const { naturalWidth: width, naturalHeight: height } = picture;
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    const pen = this.canvas.getContext("2d");
    pen.imageSmoothingQuality = "high";
    pen.drawImage(picture, 0, 0);
    if (heat && this.heat?.checked) pen.drawImage(heat, 0, 0, width, height);
  }

  // Plays by the times of the frames, which need not be even.
  async play() {
    this.isPlaying = true;
    this.button.textContent = "Pause";
    const isNew = !this.figure.classList.contains("running");
    const first = isNew || this.index >= this.frames.length - 1 ? 0 : this.index;
    await this.show(first);
    const timeOf = (index) => this.frames[index].t - this.frames[0].t;
    const length_s = timeOf(this.frames.length - 1);
    let began_ms = performance.now() - 1000 * timeOf(first);
    const tick = (now_ms) => {
      if (!this.isPlaying) return;
      let passed_s = (now_ms - began_ms) / 1000;
      if (passed_s > length_s + PAUSE_AT_END_S) {
        began_ms = now_ms;
        passed_s = 0;
      }
      let index = 0;
      while (index + 1 < this.frames.length && timeOf(index + 1) <= passed_s) index += 1;
      if (index !== this.index) this.show(index);
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  stop() {
    this.isPlaying = false;
    this.button.textContent = "Play";
  }
}

function startCharts(facts) {
  const charts = [];
  for (const plot of document.querySelectorAll("[data-chart]")) {
    const chart = facts[plot.dataset.chart];
    if (chart) charts.push(chart.log ? new LossChart(plot, chart) : new ScoreChart(plot, chart));
  }
  // Charts of one group move together.
  for (const chart of charts) {
    const others = charts.filter((other) => other !== chart && other.facts.group
      && other.facts.group === chart.facts.group);
    chart.onView = () => others.forEach((other) => other.follow(chart.range));
  }
}

// The button that changes between light and dark. "themed" makes charts take the new colours.
function startReportTheme() {
  const button = document.getElementById("theme"), root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const update = () => {
    button.textContent = isDark() ? "Light" : "Dark";
    document.dispatchEvent(new Event("themed"));
  };
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    update();
  });
  system.addEventListener("change", update);
  update();
}

document.documentElement.classList.add("scripted");
const dataElement = document.getElementById("data");
const pageData = dataElement ? JSON.parse(dataElement.textContent) : {};
startCharts(pageData.charts ?? {});
for (const figure of document.querySelectorAll("[data-viewer]")) {
  new ClipViewer(figure, pageData.viewers[figure.dataset.viewer]);
}
startReportTheme();
// On paper, what is folded could not be opened.
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
