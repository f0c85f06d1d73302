// Whether everything runs as it should: cameras, disk, drift of the scores, and alerts that wait.

import { duration, formatSize, fromDayKey, integer, shortDay } from "../shared/format.js";
import { fetchJson } from "./api.js";
import { stateTag } from "./camera_page.js";
import { busy, h, s } from "./dom.js";
import { icon } from "./icons.js";
import { attempt, showError, showNotice } from "./notices.js";
import { link } from "./router.js";
import { store } from "./store.js";

const REFRESH_MS = 5000;
const MB_PER_GB = 1000;

export async function show(place, route, signal) {
  const body = h("div", { class: "stack spaced" });
  place.append(h("div", { class: "head" }, h("h1", {}, "Health")), body);
  const load = async () => {
    body.replaceChildren(...healthParts(await fetchJson("health", { signal })));
  };
  await load();
  // Without a connection the banner says so already.
  const onError = (error) => { if (store.online && !signal.aborted) showError(error); };
  const timer = setInterval(() => {
    // Drawing anew would take away a button whose work goes on.
    const isBusy = body.querySelector("[aria-busy=true]") !== null;
    if (!document.hidden && !isBusy) load().catch(onError);
  }, REFRESH_MS);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
}

const phaseOf = (camera) => camera.state?.phase ?? camera.state;

function healthParts({ disk, process, cameras, sinks }) {
  const parts = [tiles(disk, process, cameras)];
  if (cameras.length) {
    parts.push(
      h("section", { class: "card", "aria-labelledby": "rates" },
        h("h2", { class: "pad-head", id: "rates" }, "Cameras"), cameraTable(cameras)),
      h("section", { class: "stack tight", "aria-labelledby": "drift" },
        h("div", {}, h("h2", { id: "drift" }, "Score drift"),
          h("p", { class: "soft small" }, "The scores of each day, without events. Line: median. "
            + "Bar: 95 % of the scores are below its top. Dashed line: threshold.")),
        h("div", { class: "drifts" }, cameras.map(driftCard))));
  } else {
    parts.push(h("div", { class: "card empty" }, icon("health"), h("h2", {}, "No camera yet"),
      h("p", {}, "Add a camera to see its health."),
      h("a", { class: "button main", href: "#/cameras/new" }, "Add a camera")));
  }
  if (Object.keys(sinks ?? {}).length) {
    parts.push(h("section", { class: "card", "aria-labelledby": "sinks" },
      h("h2", { class: "pad-head", id: "sinks" }, "Alert delivery"), sinkTable(sinks)));
  }
  return parts;
}

function tiles(disk, process, cameras) {
  const live = cameras.filter((camera) => phaseOf(camera) === "live").length;
  const tile = (name, value, more) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, value, h("small", {}, more)));
  let summary = "see below";
  if (live === cameras.length) summary = cameras.length ? "all cameras work" : "no camera yet";
  const pictures = formatSize(disk.used_by_pictures_gb);
  return h("dl", { class: "tiles" },
    tile("Cameras live", `${live} of ${cameras.length}`, summary),
    tile("Free disk space", formatSize(disk.free_gb), `pictures and clips use ${pictures}`),
    tile("Database", formatSize(disk.database_mb / MB_PER_GB), "events and scores"),
    tile("Memory", formatSize(process.rss_mb / MB_PER_GB),
      `running for ${duration(process.uptime_s)}`));
}

const numberHead = (text) => h("th", { scope: "col", class: "number" }, text);
const textHead = (text) => h("th", { scope: "col" }, text);
// On a phone a row is a card, and the label stands before the number.
const numberCell = (text, label) => h("td", { class: "number", data: { label } }, text);

const NUMBERS = ["Frames/s", "Dropped", "Reconnects", "Online, 24 h"];

function cameraTable(cameras) {
  const heads = [textHead("Camera"), textHead("State"),
    ...NUMBERS.map(numberHead)];
  const label = "Table of cameras";
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
    h("table", { class: "cards" }, h("thead", {}, h("tr", {}, heads)),
      h("tbody", {}, cameras.map(cameraTableRow))));
}

function cameraTableRow(camera) {
  const phase = phaseOf(camera), share = camera.online_share_24h ?? null;
  // 100 % must not be said of a camera that was away for some minutes.
  const online = share === null ? "–" : `${(100 * share).toFixed(share > 0.995 ? 1 : 0)} %`;
  const showsError = camera.error && phase !== "live";
  return h("tr", {},
    h("th", { scope: "row" }, h("a", { href: link(["cameras", camera.name]) }, camera.name)),
    h("td", {}, stateTag(phase), showsError && h("p", { class: "small soft" }, camera.error)),
    [(camera.rate_fps ?? 0).toFixed(1), integer(camera.dropped ?? 0),
      String(camera.reconnects ?? 0), online]
      .map((text, index) => numberCell(text, NUMBERS[index])));
}

function driftCard(camera) {
  const { days, sentence, learn_again: learnAgain } = camera.drift ?? { days: [], sentence: "" };
  return h("article",
    { class: "card pad stack tight", "aria-label": `Scores of ${camera.name} by day` },
    h("h3", {}, camera.name), days.length > 1 && driftChart(days),
    h("p", { class: "small" },
      sentence || "There is too little data yet. Drift can be seen after some days."),
    learnAgain && h("div", {}, h("a", { class: "button",
      href: link(["cameras", camera.name, "learn"]) }, "Learn this camera again")));
}

const dayText = ({ day }) => shortDay(fromDayKey(day) ?? Date.parse(day) * 1000);

// Median and 95th percentile of each day's raw scores, in shares of today's threshold.
function driftChart(days) {
  const width = 300, height = 90, step = width / days.length, threshold = 1;
  const highest = Math.max(1.1 * threshold, ...days.map((day) => day.p95));
  const y = (share) => height * (1 - share / highest);
  const bars = days.map(({ p95 }, index) => s("rect", { class: "p95", rx: 1,
    x: (index + 0.2) * step, width: 0.6 * step, y: y(p95), height: height - y(p95) }));
  const medians = days.map(({ median }, index) =>
    s("path", { class: "median", d: `M${(index + 0.1) * step} ${y(median)}h${0.8 * step}` }));
  return h("figure", { class: "drift" },
    s("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none",
      "aria-hidden": "true" },
      bars, medians, s("path", { class: "s-limit", d: `M0 ${y(threshold)}H${width}` })),
    h("figcaption", { class: "small soft row apart number" },
      h("span", {}, dayText(days[0])), h("span", {}, dayText(days.at(-1)))));
}

// A button that sends a test message through a sink, and says whether it arrived.
export function testButton(name) {
  const button = h("button", { type: "button", "aria-label": `Send a test through ${name}` },
    "Send a test");
  button.addEventListener("click", busy(button, () => attempt(async () => {
    const path = `sinks/${encodeURIComponent(name)}/test`;
    const { ok, error } = await fetchJson(path, { method: "POST" });
    if (ok) showNotice(`The test through ${name} has arrived.`);
    else showNotice(`The test through ${name} did not arrive: ${error}`, { bad: true });
  })));
  return button;
}

function sinkTable(sinks) {
  const state = ({ error }) => (error
    ? [h("span", { class: "tag warn" }, icon("stalled"), "problem"), " ", error]
    : h("span", { class: "tag good" }, icon("check"), "works"));
  return h("div", { class: "scroll" }, h("table", { class: "cards" },
    h("thead", {}, h("tr", {}, textHead("Sink"), numberHead("Waiting"), textHead("State"),
      textHead(""))),
    h("tbody", {}, Object.entries(sinks).map(([name, sink]) => h("tr", {},
      h("th", { scope: "row" }, name), numberCell(String(sink.waiting), "Waiting"),
      h("td", {}, state(sink)),
      sink.testable ? h("td", { class: "number" }, testButton(name)) : h("td", {}))))));
}
