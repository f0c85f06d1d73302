// Wheel, drag, pinch and press on the strips: zoom, move, choose a place.

// `area` holds the canvases of `strips`; `pressed` is told of a camera's strip and a time.
export function listenTo(area, range, strips, pressed, signal) {
  const pointers = new Map();
  let moved = 0, on = null, scrubbing = false;
  const strip = (event) => strips().find((one) => one.canvas === event.target);
  const pixel = (event, canvas) => event.clientX - canvas.getBoundingClientRect().left;

  area.addEventListener("wheel", (event) => {
    const one = strip(event);
    if (!one) return;
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (!sideways && event.deltaY > 0 && range.from <= range.first && range.to >= range.last && !event.ctrlKey) return;
    event.preventDefault();
    if (sideways || event.shiftKey) range.pan((event.deltaX || event.deltaY) / one.canvas.clientWidth);
    else range.zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY / 250))), one.at(pixel(event, one.canvas)));
  }, { passive: false, signal });

  area.addEventListener("pointerdown", (event) => {
    const one = strip(event);
    if (!one || event.button !== 0) return;
    on = one;
    one.canvas.setPointerCapture(event.pointerId);
    const x = pixel(event, one.canvas);
    scrubbing = pointers.size === 0 && range.cursor !== null
      && Math.abs(one.across(range.cursor) - x) < (event.pointerType === "touch" ? 16 : 7);
    pointers.set(event.pointerId, x);
    moved = 0;
  }, { signal });

  area.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (before === undefined || !on) return;
    const x = pixel(event, on.canvas), other = [...pointers].find(([id]) => id !== event.pointerId);
    moved += Math.abs(x - before);
    pointers.set(event.pointerId, x);
    if (other) {
      const apart = (one) => Math.max(12, Math.abs(one - other[1]));
      range.zoom(apart(before) / apart(x), on.at((x + other[1]) / 2));
    } else if (scrubbing) pressed(on, on.at(x), true);
    else if (moved > 4) range.pan((before - x) / Math.max(1, on.canvas.clientWidth));
  }, { signal });

  const leave = (event) => {
    const x = pointers.get(event.pointerId);
    pointers.delete(event.pointerId);
    if (x !== undefined && event.type === "pointerup" && moved <= 4 && pointers.size === 0) pressed(on, on.at(x), false);
  };
  area.addEventListener("pointerup", leave, { signal });
  area.addEventListener("pointercancel", leave, { signal });
  area.addEventListener("dblclick", (event) => {
    const one = strip(event);
    if (one) range.zoom(0.25, one.at(pixel(event, one.canvas)));
  }, { signal });
}
