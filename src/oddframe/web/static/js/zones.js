// Zones of a camera: their outlines over the picture, their list, and the editor that draws one.

import { cameraPath, fetchJson } from "./api.js";
import { busy, field, h, s } from "./dom.js";
import { icon } from "./icons.js";
import { attempt, showNotice } from "./notices.js";

const KINDS = {
  watch: { text: "watched", firstName: "door", inside: "Only the inside of the zone is watched." },
  ignore: { text: "ignored", firstName: "tree", inside: "The inside of the zone is ignored." },
};

// Zones are polygons of [x, y] between 0 and 1; pictures of them are drawn in thousandths.
const svgPoints = (polygon) => polygon.map(([x, y]) => `${1000 * x},${1000 * y}`).join(" ");

function zonesSvg(...shapes) {
  return s("svg", { class: "zones", viewBox: "0 0 1000 1000", preserveAspectRatio: "none",
    "aria-hidden": "true" }, shapes);
}

export function zonesOverlay(zones) {
  return zonesSvg(...Object.keys(KINDS).flatMap((kind) => (zones?.[kind] ?? []).map((zone) =>
    s("polygon", { class: kind, points: svgPoints(zone.polygon) }))));
}

// Zones as they are sent: without lists that are empty; null where nothing is left.
export function tidyZones(zones) {
  const isSet = (value) => (Array.isArray(value) ? value.length > 0 : (value ?? null) !== null);
  const set = Object.entries(zones).filter(([, value]) => isSet(value));
  return set.length ? Object.fromEntries(set) : null;
}

// The zones with another one in the place of one of them, or with none there.
const withZone = (zones, kind, index, ...others) =>
  tidyZones({ ...zones, [kind]: (zones?.[kind] ?? []).toSpliced(index, 1, ...others) });

// `live` is the camera's LivePicture, `outline` the element over it; `reload` is called when the
// zones have changed.
export function zonesPanel(camera, live, outline, reload) {
  const { zones } = camera;
  const save = (changed, text) => attempt(async () => {
    await fetchJson(cameraPath(camera.name), { method: "PUT", body: { zones: changed } });
    showNotice(text);
    await reload();
  });

  const zoneItem = (kind) => (zone, index) => {
    const name = zone.name || `${kind} ${index + 1}`;
    const edit = h("button", { type: "button", class: "quiet",
      "aria-label": `Edit the zone ${name}`, onclick: () => startEditor(kind, index) }, "Edit");
    const remove = h("button", { type: "button", class: "quiet",
      "aria-label": `Remove the zone ${name}` }, "Remove");
    remove.addEventListener("click", busy(remove, () =>
      save(withZone(zones, kind, index), `Zone “${name}” removed.`)));
    return h("li", { class: "row apart" },
      h("span", {}, h("i", { class: `swatch ${kind}` }), `${name} `,
        h("span", { class: "soft small" }, `(${KINDS[kind].text})`)),
      h("span", { class: "row tight" }, edit, remove));
  };
  const items = Object.keys(KINDS).flatMap((kind) => (zones?.[kind] ?? []).map(zoneItem(kind)));

  const controls = h("div", { class: "stack tight" });
  const startEditor = (kind, index = zones?.[kind]?.length ?? 0) => {
    controls.hidden = true;
    const onSave = async (name, polygon) => {
      const changed = withZone(zones, kind, index, { name, polygon });
      if (!await save(changed, `Zone “${name}” saved.`)) controls.hidden = false;
    };
    const onCancel = () => {
      controls.hidden = false;
      outline.replaceChildren(zonesOverlay(zones));
    };
    openEditor(live, outline, kind, zones?.[kind]?.[index], onSave, onCancel);
  };
  const button = (kind, text) =>
    h("button", { type: "button", onclick: () => startEditor(kind) }, icon("zone"), text);
  controls.append(
    items.length ? h("ul", { class: "plain" }, items)
      : h("p", { class: "soft small" }, "The whole picture is watched. You can ignore an area, "
        + "for example a moving tree, or watch one area only."),
    h("div", { class: "row" },
      button("ignore", "Ignore an area"), button("watch", "Watch only an area")));
  return h("section", { class: "card pad stack", "aria-labelledby": "zones-title" },
    h("h2", { id: "zones-title" }, "Zones"), controls);
}

const STEP = 0.01, LARGE_STEP = 5 * STEP;
const FEWEST_CORNERS = 3;
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// Keeps a coordinate inside the picture, to a thousandth.
const clampToPicture = (value) => Math.min(1, Math.max(0, Math.round(value * 1000) / 1000));

function distanceToSegment([x, y], [ax, ay], [bx, by]) {
  const dx = bx - ax, dy = by - ay;
  const along = ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1);
  const share = Math.min(1, Math.max(0, along));
  return Math.hypot(ax + share * dx - x, ay + share * dy - y);
}

const FIRST_POLYGON = [[0.3, 0.3], [0.7, 0.3], [0.7, 0.7], [0.3, 0.7]];

// Draws a polygon over the live picture, with a pointer or with keys; `zone` is the one that is
// there, or undefined for a new one.
function openEditor(live, outline, kind, zone, onSave, onCancel) {
  const polygon = [...(zone?.polygon ?? FIRST_POLYGON)];
  const shape = s("polygon", { class: kind });
  const corners = h("div", { class: "corners" });
  const area = h("div", { class: "editing" }, zonesSvg(shape), corners);
  const nameInput = h("input", { type: "text", maxlength: "40",
    value: zone ? zone.name ?? "" : KINDS[kind].firstName });

  const cornerLabel = ([x, y], index) => `Corner ${index + 1}: ${Math.round(100 * x)} % from the `
    + `left, ${Math.round(100 * y)} % from the top. Arrow keys move it, Delete removes it`;

  function draw(focusedIndex) {
    shape.setAttribute("points", svgPoints(polygon));
    corners.replaceChildren(...polygon.map((point, index) => {
      const corner = h("button", { type: "button", class: "corner",
        "aria-label": cornerLabel(point, index) });
      corner.style.left = `${100 * point[0]}%`;
      corner.style.top = `${100 * point[1]}%`;
      corner.addEventListener("keydown", (event) => handleKey(event, index));
      corner.addEventListener("pointerdown", (event) => startDrag(event, index));
      return corner;
    }));
    if (focusedIndex !== undefined) corners.children[focusedIndex]?.focus();
  }

  function handleKey(event, index) {
    const direction = DIRECTIONS[event.key], step = event.shiftKey ? LARGE_STEP : STEP;
    if (!direction && event.key !== "Delete" && event.key !== "Backspace") return;
    event.preventDefault();
    event.stopPropagation();
    if (direction) {
      polygon[index] = polygon[index].map((value, axis) =>
        clampToPicture(value + direction[axis] * step));
    } else if (polygon.length > FEWEST_CORNERS) polygon.splice(index, 1);
    draw(Math.min(index, polygon.length - 1));
  }

  function pointAt(event) {
    const box = area.getBoundingClientRect();
    return [clampToPicture((event.clientX - box.left) / box.width),
      clampToPicture((event.clientY - box.top) / box.height)];
  }

  function startDrag(event, index) {
    event.preventDefault();
    event.stopPropagation();
    const move = (moved) => {
      polygon[index] = pointAt(moved);
      draw();
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", () => {
      removeEventListener("pointermove", move);
      draw(index);
    }, { once: true });
  }

  // A press beside the corners adds one, on the side of the polygon that is nearest.
  area.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    const point = pointAt(event);
    const distances = polygon.map((corner, index) =>
      distanceToSegment(point, corner, polygon[(index + 1) % polygon.length]));
    polygon.splice(distances.indexOf(Math.min(...distances)) + 1, 0, point);
    draw();
  });

  const close = () => {
    bar.remove();
    area.remove();
  };
  const cancel = () => {
    close();
    onCancel();
  };
  const bar = h("form", { class: "zone-bar" },
    h("p", { class: "small" }, "Drag the corners. Click beside them to add one. Arrow keys move "
      + `the corner in focus, Delete removes it. ${KINDS[kind].inside}`),
    h("div", { class: "row" }, field("Name of the zone", nameInput),
      h("button", { class: "main" }, "Save the zone"),
      h("button", { type: "button", onclick: cancel }, "Cancel")));
  bar.addEventListener("submit", async (event) => {
    event.preventDefault();
    await onSave(nameInput.value.trim() || kind, polygon);
    close();
  });
  outline.replaceChildren(area);
  live.element.closest(".screen").after(bar);
  draw(0);
}
