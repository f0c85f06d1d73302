// The grid of cameras, and where the pages of single ones are found.

import { ask } from "./api.js";
import { h } from "./dom.js";
import { eventRow } from "./event_row.js";
import { icon } from "./icons.js";
import { cameraForm } from "./camera_form.js";
import { cameraPage } from "./camera_page.js";
import { cameraTile } from "./camera_tile.js";
import { recalibratePage } from "./recalibrate.js";
import { go } from "./router.js";
import { on, store } from "./store.js";

const LATEST = 12;

export async function show(place, at, signal) {
  const [, name, what] = at.path;
  if (name === undefined) return grid(place, at, signal);
  if (name === "new" && !store.cameras.has("new")) return cameraForm(place, null, signal);
  if (!store.cameras.has(name)) throw new Error(`There is no camera named “${name}”. It may have been removed.`);
  if (what === "recalibrate") return recalibratePage(place, name, signal);
  if (what === "edit") return cameraForm(place, name, signal);
  return cameraPage(place, name, at, signal);
}

function grid(place, at, signal) {
  let tiles = [], heat = at.query.heat === "1";
  const cells = h("div", { class: "grid" });
  const all = h("input", { type: "checkbox", checked: heat });
  all.addEventListener("change", () => { heat = all.checked; tiles.forEach((one) => one.setHeat(heat)); });
  const add = h("a", { class: "button main", href: "#/cameras/new" }, icon("plus"), "Add a camera");
  const tools = h("div", { class: "row" }, h("label", { class: "check" }, all, "Heat maps"), add);
  place.append(h("div", { class: "head" }, h("h1", {}, "Cameras"), tools), h("div", { class: "spaced" }, cells), latest(signal));
  let names = null, leave = null;
  const draw = () => {
    const wanted = [...store.cameras.keys()];
    if (JSON.stringify(wanted) !== names) {
      names = JSON.stringify(wanted);
      leave?.abort();
      leave = new AbortController();
      tiles = wanted.map((name) => cameraTile(name, leave.signal, heat));
      cells.replaceChildren(...(tiles.length ? tiles.map((one) => one.element) : [empty()]));
      cells.classList.toggle("few", tiles.length > 0 && tiles.length < 3);
      tools.hidden = !tiles.length;
    }
    tiles.forEach((one) => one.update());
  };
  signal.addEventListener("abort", () => leave?.abort(), { once: true });
  for (const name of ["cameras", "status", "event"]) on(name, draw, signal);
  draw();
}

// What was seen last, at all cameras.
function latest(signal) {
  const list = h("div", { class: "event-list wide" });
  const section = h("section", { class: "card spaced", "aria-labelledby": "latest-title", hidden: true },
    h("div", { class: "row apart pad-head" }, h("h2", { id: "latest-title" }, "Latest events"),
      h("a", { href: "#/events" }, "All events")), list);
  const load = async () => {
    const { events } = await ask(`events?limit=${LATEST}`, { signal });
    section.hidden = !events.length;
    list.replaceChildren(...events.map((one) => eventRow(one)));
  };
  for (const name of ["event", "changed"]) on(name, () => load().catch(() => {}), signal);
  load().catch(() => {});
  return section;
}

function empty() {
  return h("div", { class: "card empty" }, icon("cameras"), h("h2", {}, "No camera yet"),
    h("p", {}, "Add the first one: the address of a camera in your network, or a recording to try it with. It is watched as soon as it is added."),
    h("button", { type: "button", class: "main", onclick: () => go(["cameras", "new"]) }, icon("plus"), "Add a camera"));
}
