// Zones as outlines over the picture, and their list.

import { ask, camera } from "./api.js";
import { busy, h, s } from "./dom.js";
import { icon } from "./icons.js";
import { notice, tried } from "./notices.js";
import { editPolygon } from "./zone_editor.js";

const KINDS = { watch: "watched", ignore: "ignored" };

const points = (polygon) => polygon.map(([x, y]) => `${1000 * x},${1000 * y}`).join(" ");

export function zonesOverlay(zones) {
  const drawn = Object.keys(KINDS).flatMap((kind) => (zones?.[kind] ?? []).map((one) => s("polygon",
    { class: kind, points: points(one.polygon) })));
  return s("svg", { class: "zones", viewBox: "0 0 1000 1000", preserveAspectRatio: "none", "aria-hidden": "true" }, drawn);
}

// What is left of a table when one zone goes; null when nothing is.
function without(zones, kind, number) {
  const left = { ...zones, [kind]: zones[kind].filter((_, at) => at !== number) };
  for (const name of Object.keys(KINDS)) if (!left[name]?.length) delete left[name];
  return Object.values(left).some((value) => value !== null && value !== undefined) ? left : null;
}

export function zonesPanel(one, live, outline, reload) {
  const save = (zones, said) => tried(async () => {
    await ask(camera(one.name), { method: "PUT", body: { zones } });
    notice(said);
    await reload();
  });
  const area = h("div", { class: "stack tight" });
  const rows = Object.entries(KINDS).flatMap(([kind, word]) => (one.zones?.[kind] ?? []).map((zone, number) => {
    const name = zone.name || `${kind} ${number + 1}`;
    const drop = h("button", { type: "button", class: "quiet", "aria-label": `Remove the zone ${name}` }, "Remove");
    drop.addEventListener("click", busy(drop, () => save(without(one.zones, kind, number), `The zone ${name} is gone.`)));
    return h("li", { class: "row apart" }, h("span", {}, h("i", { class: `swatch ${kind}` }), `${name} `,
      h("span", { class: "soft small" }, `(${word})`)), drop);
  }));
  const start = (kind) => {
    area.hidden = true;
    editPolygon(live, outline, kind, async (name, polygon) => {
      const zones = { ...(one.zones ?? {}) };
      zones[kind] = [...(zones[kind] ?? []), { name, polygon }];
      if (!await save(zones, `The zone ${name} counts from now on.`)) area.hidden = false;
    }, () => { area.hidden = false; outline.replaceChildren(zonesOverlay(one.zones)); });
  };
  area.append(
    rows.length ? h("ul", { class: "plain" }, rows)
      : h("p", { class: "soft small" }, "The whole picture counts. Draw what alone is to be watched, or what is to be left out, such as a tree."),
    one.zones?.armed ? h("p", { class: "small" }, `Armed ${one.zones.armed.join(", ")} (${one.zones.time_zone})`) : "",
    h("div", { class: "row" },
      h("button", { type: "button", onclick: () => start("ignore") }, icon("zone"), "Leave out"),
      h("button", { type: "button", onclick: () => start("watch") }, icon("zone"), "Watch only")));
  return h("section", { class: "card pad stack", "aria-labelledby": "zones-title" }, h("h2", { id: "zones-title" }, "Zones"), area);
}
