// Start, sign-in, and one view at a time: each is a function that fills <main> until its signal aborts.

import { ask } from "./api.js";
import { h, say } from "./dom.js";
import { icon } from "./icons.js";
import { showKeys } from "./keys.js";
import * as live from "./live.js";
import { complain, tried } from "./notices.js";
import { route } from "./router.js";
import { signIn } from "./sign_in.js";
import { loadCameras, loadInfo, on, store } from "./store.js";

const VIEWS = {
  cameras: { title: "Cameras", load: () => import("./cameras.js") },
  timeline: { title: "Timeline", load: () => import("./timeline.js") },
  events: { title: "Events", load: () => import("./events.js") },
  models: { title: "Models", load: () => import("./models.js") },
  health: { title: "Health", load: () => import("./health.js") },
};

const view = document.getElementById("view"), nav = document.getElementById("nav");
const count = h("span", { class: "count", hidden: true });
let leave = new AbortController(), shown = null;

async function draw() {
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  const at = route(), name = Object.hasOwn(VIEWS, at.path[0] ?? "") ? at.path[0] : "cameras";
  for (const link of nav.querySelectorAll("a")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  document.title = `${[at.path[1], VIEWS[name].title].filter(Boolean).join(" · ")} · Oddframe`;
  const place = h("div", {});
  try {
    const { show } = await VIEWS[name].load();
    if (signal.aborted) return;
    await show(place, at, signal);
  } catch (error) {
    if (error.name === "AbortError" || signal.aborted || error.status === 401) return;
    place.replaceChildren(h("div", { class: "callout bad" }, h("p", {}, error.message),
      h("div", { class: "row" }, h("button", { type: "button", onclick: draw }, "Try again"))));
  }
  if (signal.aborted) return;
  view.replaceChildren(place);
  document.dispatchEvent(new Event("drawn"));
  if (shown !== null && shown !== at.path.join("/")) { scrollTo(0, 0); view.focus({ preventScroll: true }); }
  shown = at.path.join("/");
}

async function unreviewed() {
  const { events, more } = await ask("events?verdict=none&kind=anomaly&limit=99");
  say(count, more ? "99+" : String(events.length));
  count.hidden = !events.length;
  count.setAttribute("aria-label", `${events.length} not reviewed`);
}

function drawNav() {
  nav.replaceChildren(...Object.entries(VIEWS).map(([name, one]) =>
    h("a", { href: `#/${name}`, data: { view: name } }, icon(name), h("span", {}, one.title), name === "events" && count)));
  nav.hidden = false;
}

function theme() {
  const button = document.getElementById("theme"), system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const draw = () => {
    const other = dark() ? "light" : "dark";
    button.replaceChildren(icon(dark() ? "sun" : "moon"));
    button.setAttribute("aria-label", `Change to the ${other} theme`);
    button.title = `Change to the ${other} theme`;
    document.dispatchEvent(new Event("themed"));
  };
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = dark() ? "light" : "dark";
    try { localStorage.setItem("oddframe-theme", document.documentElement.dataset.theme); } catch { /* holds for this page only */ }
    draw();
  });
  system.addEventListener("change", draw);
  draw();
}

async function enter() {
  drawNav();
  document.getElementById("sign-out").hidden = !store.info.auth_required;
  await loadCameras();
  live.start();
  unreviewed().catch(() => {});
  await draw();
}

function askIn() {
  live.stop();
  leave.abort();
  nav.hidden = true;
  document.getElementById("sign-out").hidden = true;
  document.title = "Sign in · Oddframe";
  signIn(view, async () => { await loadInfo(); await enter(); });
}

async function begin() {
  try {
    const info = await loadInfo();
    if (info.auth_required && !info.signed_in) askIn(); else await enter();
  } catch (error) {
    if (error.status === 401) return;
    view.replaceChildren(h("div", { class: "callout bad" }, h("p", {}, error.message),
      h("div", { class: "row" }, h("button", { type: "button", onclick: begin }, "Try again"))));
  }
}

document.addEventListener("signed-out", () => { if (!view.querySelector(".sign-in")) askIn(); });
document.getElementById("sign-out").addEventListener("click",
  () => tried(async () => { await ask("logout", { method: "POST" }); askIn(); }));
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); view.focus(); });
document.getElementById("keys").append(icon("keys"));
document.getElementById("keys").addEventListener("click", showKeys);
addEventListener("hashchange", () => { if (!nav.hidden) draw(); });
addEventListener("unhandledrejection", (event) => complain(event.reason));

let recount = null;
const later = () => { clearTimeout(recount); recount = setTimeout(() => unreviewed().catch(() => {}), 400); };
on("event", later);
on("changed", later);
document.addEventListener("reviewed", later);
on("online", (online) => {
  const banner = document.getElementById("offline");
  banner.hidden = online;
  banner.replaceChildren(...(online ? [] : [icon("offline"),
    h("span", {}, "No connection to the server: what is shown is the last that is known. Trying again …")]));
});

theme();
begin();
