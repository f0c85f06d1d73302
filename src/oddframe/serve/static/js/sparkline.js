// The score of the last minute as a small line with the threshold.

import { s } from "./dom.js";

const WIDE = 120, HIGH = 40;

function path(runs, low) {
  return runs.map((run) => run.map(([x, y], number) => `${number ? "L" : "M"}${x.toFixed(1)} ${Math.min(low, y).toFixed(1)}`).join("")
    + (run.length === 1 ? "h.01" : "")).join("");
}

// Seconds without a score interrupt the line.
function runsOf(values, most) {
  const runs = [];
  let run = [];
  values.forEach((value, number) => {
    if (value === null || value === undefined) { if (run.length) runs.push(run); run = []; return; }
    run.push([(number + most - values.length) * WIDE / (most - 1), HIGH * (1 - value)]);
  });
  if (run.length) runs.push(run);
  return runs;
}

export function sparkline(most = 60) {
  const under = s("path", { class: "s-under" }), line = s("path", { class: "s-line" }), over = s("path", { class: "s-over" });
  const clip = `over-${Math.random().toString(36).slice(2)}`;
  const drawn = s("svg", { class: "spark", viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", role: "img" },
    s("clipPath", { id: clip }, s("rect", { x: -2, y: -4, width: WIDE + 4, height: HIGH / 2 + 4 })),
    under, s("path", { class: "s-limit", d: `M0 ${HIGH / 2}H${WIDE}` }), line, s("g", { "clip-path": `url(#${clip})` }, over));
  const update = (values) => {
    const runs = runsOf((values ?? []).slice(-most), most), d = path(runs, HIGH);
    line.setAttribute("d", d);
    over.setAttribute("d", d);
    under.setAttribute("d", runs.map((run) => `M${run[0][0]} ${HIGH}${path([run], HIGH).replace("M", "L")}V${HIGH}Z`).join(""));
    const last = values?.[values.length - 1];
    drawn.setAttribute("aria-label", last === null || last === undefined ? "No score now"
      : `Score ${last.toFixed(2)}, ${last > 0.5 ? "above" : "below"} the threshold of 0.5`);
  };
  return { element: drawn, update };
}
