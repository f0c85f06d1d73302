// Drawing a polygon over the live picture, with a pointer or with keys.

import { field, h, s } from "./dom.js";

const STEP = 0.01;
const held = (value) => Math.min(1, Math.max(0, Math.round(value * 1000) / 1000));

export function editPolygon(live, outline, kind, done, cancelled) {
  let polygon = [[0.3, 0.3], [0.7, 0.3], [0.7, 0.7], [0.3, 0.7]];
  const shape = s("polygon", { class: kind });
  const drawing = s("svg", { class: "zones", viewBox: "0 0 1000 1000", preserveAspectRatio: "none", "aria-hidden": "true" }, shape);
  const corners = h("div", { class: "corners" }), area = h("div", { class: "editing" }, drawing, corners);
  const name = h("input", { type: "text", maxlength: "40", value: kind === "ignore" ? "tree" : "door" });

  const draw = (focus) => {
    shape.setAttribute("points", polygon.map(([x, y]) => `${1000 * x},${1000 * y}`).join(" "));
    corners.replaceChildren(...polygon.map(([x, y], number) => {
      const corner = h("button", { type: "button", class: "corner",
        "aria-label": `Corner ${number + 1}: ${Math.round(100 * x)} % from the left, ${Math.round(100 * y)} % from the top. Arrows move it, Delete removes it` });
      corner.style.left = `${100 * x}%`;
      corner.style.top = `${100 * y}%`;
      corner.addEventListener("keydown", (event) => key(event, number));
      corner.addEventListener("pointerdown", (event) => drag(event, number));
      return corner;
    }));
    if (focus !== undefined) corners.children[focus]?.focus();
  };

  function key(event, number) {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!way && event.key !== "Delete" && event.key !== "Backspace") return;
    event.preventDefault();
    event.stopPropagation();
    if (way) polygon[number] = polygon[number].map((value, axis) => held(value + way[axis] * STEP * (event.shiftKey ? 5 : 1)));
    else if (polygon.length > 3) polygon.splice(number, 1);
    draw(Math.min(number, polygon.length - 1));
  }

  const place = (event) => {
    const box = area.getBoundingClientRect();
    return [held((event.clientX - box.left) / box.width), held((event.clientY - box.top) / box.height)];
  };

  function drag(event, number) {
    event.preventDefault();
    event.stopPropagation();
    const move = (moved) => { polygon[number] = place(moved); draw(); };
    addEventListener("pointermove", move);
    addEventListener("pointerup", () => { removeEventListener("pointermove", move); draw(number); }, { once: true });
  }

  // A click beside the corners adds one, on the side of the polygon that it is nearest to.
  area.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    const [x, y] = place(event);
    const far = polygon.map(([ax, ay], number) => {
      const [bx, by] = polygon[(number + 1) % polygon.length], dx = bx - ax, dy = by - ay;
      const along = Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1)));
      return Math.hypot(ax + along * dx - x, ay + along * dy - y);
    });
    polygon.splice(far.indexOf(Math.min(...far)) + 1, 0, [x, y]);
    draw();
  });

  const end = () => { bar.remove(); area.remove(); };
  const bar = h("form", { class: "zone-bar" },
    h("p", { class: "small" }, `Drag the corners; click beside them for another. Arrows move the corner in focus, Delete removes it. What is inside is ${kind === "ignore" ? "left out" : "all that is watched"}.`),
    h("div", { class: "row" }, field("Name of the zone", name), h("button", { class: "main" }, "Save the zone"),
      h("button", { type: "button", onclick: () => { end(); cancelled(); } }, "Cancel")));
  bar.addEventListener("submit", async (event) => {
    event.preventDefault();
    await done(name.value.trim() || kind, polygon);
    end();
  });
  outline.replaceChildren(area);
  live.element.closest(".screen").after(bar);
  draw(0);
}
