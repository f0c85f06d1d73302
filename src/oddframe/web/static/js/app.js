// The app's start: sign-in, navigation, theme, and one view at a time. A view is a module with
// show(place, route, signal): it fills `place`, and stops when `signal` aborts.

import { fetchJson } from "./api.js";
import { busy, field, h, setText } from "./dom.js";
import { icon } from "./icons.js";
import { showKeys } from "./keys.js";
import { attempt, showError } from "./notices.js";
import { currentRoute } from "./router.js";
import { camerasLoaded, loadCameras, loadInfo, store, subscribe } from "./store.js";
import { startUpdates, stopUpdates } from "./updates.js";

const VIEWS = {
  cameras: { title: "Cameras", load: () => import("./cameras.js") },
  timeline: { title: "Timeline", load: () => import("./timeline.js") },
  events: { title: "Events", load: () => import("./events.js") },
  models: { title: "Models", load: () => import("./models.js") },
  health: { title: "Health", load: () => import("./health.js") },
  settings: { title: "Settings", load: () => import("./settings.js") },
};

const MOST_COUNTED = 99;
// A page that no server answered for is tried again so often, without a press of the button.
const RETRY_MS = 3000;

const main = document.getElementById("view"), nav = document.getElementById("nav");
const signOut = document.getElementById("sign-out");
const unreviewedCount = h("span", { class: "count", hidden: true });
let viewAbort = new AbortController(), shownPath = null, retryTimer = null;

function failure(error, tryAgain) {
  clearTimeout(retryTimer);
  if (error.status === 0) retryTimer = setTimeout(tryAgain, RETRY_MS);
  return h("div", { class: "callout bad" }, h("p", {}, error.message),
    h("div", { class: "row" }, h("button", { type: "button", onclick: tryAgain }, "Try again")));
}

const viewOf = ({ path: [first = ""] }) => (Object.hasOwn(VIEWS, first) ? first : "cameras");

async function drawView() {
  clearTimeout(retryTimer);
  viewAbort.abort();
  viewAbort = new AbortController();
  const { signal } = viewAbort;
  const route = currentRoute(), name = viewOf(route);
  for (const link of nav.querySelectorAll("a")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const titles = [route.path[1], VIEWS[name].title, "Oddframe"];
  document.title = titles.filter(Boolean).join(" · ");
  const place = h("div", {});
  try {
    const { show } = await VIEWS[name].load();
    // The page Events asks for its list meanwhile.
    if (name !== "events") await camerasLoaded();
    if (signal.aborted) return;
    await show(place, route, signal);
  } catch (error) {
    if (error.name === "AbortError" || signal.aborted || error.status === 401) return;
    place.replaceChildren(failure(error, drawView));
  }
  if (signal.aborted) return;
  main.replaceChildren(place);
  const path = route.path.join("/");
  if (shownPath !== null && shownPath !== path) {
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
  shownPath = path;
}

async function countUnreviewed() {
  const { event_count } = await fetchJson("stacks?verdict=none&kind=anomaly&limit=1");
  const text = event_count > MOST_COUNTED ? `${MOST_COUNTED}+` : String(event_count);
  setText(unreviewedCount, text);
  unreviewedCount.hidden = !event_count;
  unreviewedCount.setAttribute("aria-label", `${text} not reviewed`);
}

function drawNav() {
  nav.replaceChildren(...Object.entries(VIEWS).map(([name, { title }]) =>
    h("a", { href: `#/${name}`, data: { view: name } }, icon(name), h("span", {}, title),
      name === "events" && unreviewedCount)));
  nav.hidden = false;
}

// The button that changes between light and dark. "themed" makes charts take the new colours.
function startTheme() {
  const button = document.getElementById("theme"), root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const update = () => {
    const label = `Change to the ${isDark() ? "light" : "dark"} theme`;
    button.replaceChildren(icon(isDark() ? "sun" : "moon"));
    button.setAttribute("aria-label", label);
    button.title = label;
    document.dispatchEvent(new Event("themed"));
  };
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("oddframe-theme", root.dataset.theme);
    } catch { /* Without storage the choice holds for this page only. */ }
    update();
  });
  system.addEventListener("change", update);
  update();
}

async function enter(cameras) {
  drawNav();
  const { auth_required, name, role } = store.info;
  signOut.hidden = !auth_required;
  signOut.title = name ? `Signed in as ${name}, ${role}` : "";
  // What a role may not do is not offered; the server refuses it in any case.
  document.documentElement.dataset.role = role;
  // The view first: its requests must not wait behind others on a slow line.
  await Promise.all([loadCameras(cameras), drawView()]);
  startUpdates();
  countUnreviewed().catch(() => {});
}

// The page that asks for the token.
function drawSignIn() {
  const token = h("input", { type: "password", autocomplete: "current-password", required: true,
    spellcheck: "false" });
  const problem = h("p", { class: "high", role: "alert" });
  const button = h("button", { class: "main" }, "Sign in");
  const form = h("form", { class: "card" }, h("h1", {}, "Sign in"),
    field("Token", token, "The token that was set when the server was started."),
    problem, button);
  form.addEventListener("submit", busy(button, async () => {
    problem.textContent = "";
    try {
      await fetchJson("login", { method: "POST", body: { token: token.value } });
      await loadInfo();
      await enter();
    } catch (error) {
      problem.textContent = error.message;
      token.select();
    }
  }));
  main.replaceChildren(h("div", { class: "sign-in" }, form));
  token.focus();
}

function leave() {
  stopUpdates();
  viewAbort.abort();
  nav.hidden = true;
  signOut.hidden = true;
  document.title = "Sign in · Oddframe";
  drawSignIn();
}

async function start() {
  clearTimeout(retryTimer);
  try {
    // All at once: one after the other they take twice as long on a slow line.
    VIEWS[viewOf(currentRoute())].load().catch(() => {});
    const cameras = fetchJson("cameras", { isEarly: true });
    cameras.catch(() => {});
    const info = await loadInfo();
    if (info.auth_required && !info.signed_in) leave();
    else await enter(cameras);
  } catch (error) {
    if (error.status !== 401) main.replaceChildren(failure(error, start));
  }
}

function drawBanner(online) {
  const banner = document.getElementById("offline");
  const text = "No connection to the server. This page shows the last known state. Reconnecting …";
  banner.hidden = online;
  banner.replaceChildren(...(online ? [] : [icon("offline"), h("span", {}, text)]));
}

document.addEventListener("signed-out", () => {
  if (!main.querySelector(".sign-in")) leave();
});
signOut.addEventListener("click", () => attempt(async () => {
  await fetchJson("logout", { method: "POST" });
  leave();
}));
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
document.getElementById("keys").append(icon("keys"));
document.getElementById("keys").addEventListener("click", showKeys);
addEventListener("hashchange", () => { if (!nav.hidden) drawView(); });
addEventListener("unhandledrejection", (event) => showError(event.reason));

// Several changes may come at once: they are counted together.
let countTimer = null;
const countSoon = () => {
  clearTimeout(countTimer);
  countTimer = setTimeout(() => countUnreviewed().catch(() => {}), 400);
};
subscribe("event", countSoon);
subscribe("changed", countSoon);
document.addEventListener("reviewed", countSoon);
subscribe("online", drawBanner);

startTheme();
start();
