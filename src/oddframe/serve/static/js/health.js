// Whether everything runs as it should: cameras, drift of what is normal, disk, what alerts wait.

import { ask } from "./api.js";
import { h, s } from "./dom.js";
import { stateTag } from "./camera_state.js";
import { icon } from "./icons.js";
import { complain } from "./notices.js";
import { link } from "./router.js";
import { store } from "./store.js";
import { fromDayKey, length, shortDay, size } from "./words.js";

const EVERY_MS = 5000;

export async function show(place, at, signal) {
  const body = h("div", { class: "stack spaced" });
  place.append(h("div", { class: "head" }, h("h1", {}, "Health")), body);
  const load = async () => draw(body, await ask("health", { signal }));
  await load();
  const timer = setInterval(() => { if (!document.hidden) load().catch((error) => { if (store.online && !signal.aborted) complain(error);
    }); }, EVERY_MS);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
}

function draw(body, told) {
  const { disk, process, cameras } = told, live = cameras.filter((one) => phaseOf(one) === "live").length;
  const tile = (name, value, more) => h("div", {}, h("dt", {}, name), h("dd", {}, value, more && h("small", {}, more)));
  body.replaceChildren(
    h("dl", { class: "tiles" },
      tile("Cameras live", `${live} of ${cameras.length}`,
        live === cameras.length ? (cameras.length ? "all is well" : "none is watched yet") : "see below"),
      tile("Disk free", size(disk.free_gb), `pictures and clips take ${size(disk.used_by_pictures_gb)}`),
      tile("Database", size(disk.database_mb / 1000), "events and scores"),
      tile("Memory", size(process.rss_mb / 1000), `running for ${length(process.uptime_s)}`)),
    cameras.length ? h("section", { class: "card", "aria-labelledby": "rates" }, h("h2", { class: "pad-head", id: "rates" }, "Cameras"),
      table(cameras))
      : h("div", { class: "card empty" }, icon("health"), h("h2", {}, "No camera is watched"), h("p", {}, "Add one to see how it does."),
        h("a", { class: "button main", href: "#/cameras/new" }, "Add a camera")),
    cameras.length ? h("section", { class: "stack tight", "aria-labelledby": "drift" },
      h("div", {}, h("h2", { id: "drift" }, "Is normal still normal?"),
      h("p", { class: "soft small" }, "The scores of each day, where nothing was unusual: line the median, bar what 95 % stay below, dashes the threshold.")),
      h("div", { class: "drifts" }, cameras.map(drift))) : "",
    Object.keys(told.sinks ?? {}).length ? h("section", { class: "card", "aria-labelledby": "sinks" },
      h("h2", { class: "pad-head", id: "sinks" }, "Where alerts go"), sinks(told.sinks)) : "");
}

const phaseOf = (one) => one.state?.phase ?? one.state;

function table(cameras) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Cameras" }, h("table", {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Camera"), h("th", { scope: "col" }, "State"),
      ["Frames/s", "Dropped", "Reconnects", "Online, 24 h"].map((word) => h("th", { scope: "col", class: "number" }, word)))),
    h("tbody", {}, cameras.map((one) => h("tr", {}, h("th", { scope: "row" }, h("a", { href: link(["cameras", one.name]) }, one.name)),
      h("td", {}, stateTag({ state: { phase: phaseOf(one) } }),
        one.error && phaseOf(one) !== "live" ? h("p", { class: "small soft" }, one.error) : ""),
      h("td", { class: "number" }, (one.rate_fps ?? 0).toFixed(1)), h("td", { class: "number" }, (one.dropped ?? 0).toLocaleString("en")),
      h("td", { class: "number" }, String(one.reconnects ?? 0)),
      h("td", { class: "number" }, one.online_share_24h === null || one.online_share_24h === undefined ? "–"
        : `${(100 * one.online_share_24h).toFixed(one.online_share_24h > 0.995 ? 1 : 0)} %`))))));
}

function drift(one) {
  const { days, sentence } = one.drift ?? { days: [], sentence: "" };
  return h("article", { class: "card pad stack tight", "aria-label": `Scores of ${one.name} by day` }, h("h3", {}, one.name),
    days.length > 1 && chart(days), h("p", { class: "small" }, sentence || "There is too little to say yet: drift shows after some days."));
}

const day = (one) => shortDay(fromDayKey(one.day) ?? Date.parse(one.day) * 1000);

// Median and 95th percentile of each day's scores.
function chart(days) {
  const wide = 300, high = 90, step = wide / days.length, most = Math.max(0.55, ...days.map((one) => one.p95));
  const y = (value) => high * (1 - value / most);
  return h("figure", { class: "drift" },
    s("svg", { viewBox: `0 0 ${wide} ${high}`, preserveAspectRatio: "none", "aria-hidden": "true" },
      days.map((one, number) => s("rect", { class: "p95", x: number * step + step * 0.2, width: step * 0.6, y: y(one.p95),
        height: high - y(one.p95), rx: 1 })),
      days.map((one, number) => s("path", { class: "median", d: `M${number * step + step * 0.1} ${y(one.median)}h${step * 0.8}` })),
      s("path", { class: "s-limit", d: `M0 ${y(0.5)}H${wide}` })),
    h("figcaption", { class: "small soft row apart number" }, h("span", {}, day(days[0])), h("span", {}, day(days[days.length - 1]))));
}

function sinks(all) {
  return h("div", { class: "scroll" }, h("table", {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Sink"), h("th", { scope: "col", class: "number" }, "Waiting"),
      h("th", { scope: "col" }, "State"))),
    h("tbody", {}, Object.entries(all).map(([name, one]) => h("tr", {}, h("th", { scope: "row" }, name),
      h("td", { class: "number" }, String(one.waiting)),
      h("td", {}, one.error ? [h("span", { class: "tag warn" }, icon("stalled"), "trouble"), " ", one.error]
        : h("span", { class: "tag good" }, icon("check"), "delivers")))))));
}
