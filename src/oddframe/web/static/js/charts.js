// Small pictures of numbers: the score of the last minute as a line, and the reason of an event as
// bars.

import { formatRarity, formatScore } from "../shared/format.js";
import { h, s } from "./dom.js";

const WIDTH = 120, HEIGHT = 40, THRESHOLD = 0.5;

let sparklines = 0;

function linePath(runs) {
  const point = ([x, y], index) =>
    `${index ? "L" : "M"}${x.toFixed(1)} ${Math.min(HEIGHT, y).toFixed(1)}`;
  // A single second is a dot: a line that is hardly long.
  return runs.map((run) => run.map(point).join("") + (run.length === 1 ? "h.01" : "")).join("");
}

function areaPath(runs) {
  return runs.map((run) =>
    `M${run[0][0]} ${HEIGHT}${linePath([run]).replace("M", "L")}V${HEIGHT}Z`).join("");
}

// Points of the values in runs; seconds without a score interrupt the line.
function runsOf(values, most) {
  const runs = [];
  let run = [];
  values.forEach((value, index) => {
    if (value === null || value === undefined) {
      if (run.length) runs.push(run);
      run = [];
    } else {
      const x = (index + most - values.length) * WIDTH / (most - 1);
      run.push([x, HEIGHT * (1 - value)]);
    }
  });
  if (run.length) runs.push(run);
  return runs;
}

// A line of the last scores, one a second, with the threshold: {element, update(values)}.
export function sparkline(most = 60) {
  sparklines += 1;
  const clip = `above-threshold-${sparklines}`;
  const area = s("path", { class: "s-under" });
  const line = s("path", { class: "s-line" }), lineAbove = s("path", { class: "s-over" });
  const viewBox = `0 0 ${WIDTH} ${HEIGHT}`;
  const element = s("svg", { class: "spark", viewBox, preserveAspectRatio: "none", role: "img" },
    s("clipPath", { id: clip },
      s("rect", { x: -2, y: -4, width: WIDTH + 4, height: HEIGHT / 2 + 4 })),
    area, s("path", { class: "s-limit", d: `M0 ${HEIGHT / 2}H${WIDTH}` }), line,
    s("g", { "clip-path": `url(#${clip})` }, lineAbove));
  const update = (values) => {
    const runs = runsOf((values ?? []).slice(-most), most), path = linePath(runs);
    line.setAttribute("d", path);
    lineAbove.setAttribute("d", path);
    area.setAttribute("d", areaPath(runs));
    const last = values?.at(-1) ?? null, side = last > THRESHOLD ? "above" : "below";
    element.setAttribute("aria-label", last === null ? "No score now"
      : `Score ${formatScore(last)}, ${side} the threshold of ${THRESHOLD}`);
  };
  return { element, update };
}

const PARTS = [
  { part: "appearance", reason: "looks wrong", label: "Appearance" },
  { part: "motion", reason: "moves wrong", label: "Motion" },
  { part: "cluster", reason: "unlike any known pattern", label: "Unlike any known pattern" },
];

// Rarity is in powers of ten; a bar is full at one in a million.
const MOST_RARITY = 6;

// Why an event is one: how rare its appearance, its motion and its pattern are.
export function reasonBars(event) {
  const rarities = event.parts ?? {};
  if (!PARTS.some(({ part }) => rarities[part] !== undefined)) return "";
  const bar = ({ part, reason, label }) => {
    const rarity = rarities[part] ?? 0, isReason = event.reason === reason;
    const width = Math.max(1, Math.min(100, 100 * rarity / MOST_RARITY));
    return h("div", { class: isReason ? "main" : "" },
      h("dt", {}, label, isReason && h("span", { class: "hidden" }, " (the reason)")),
      h("dd", { class: "graph" },
        s("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
          s("rect", { class: `f-${part}`, width, height: 8 }))),
      h("dd", { class: "rare" }, formatRarity(rarity)));
  };
  return h("div", { class: "why" },
    h("p", { class: "soft small" }, "How often normal frames reach these values:"),
    h("dl", { class: "bars" }, PARTS.map(bar)));
}
