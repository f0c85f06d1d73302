// The list of the page Events: stacks of like events under their days, of which several can be
// selected.

import { count, dayAndTime, formatScore, fullTime, hourAndMinute, longDay, startOfDay }
  from "../shared/format.js";
import { h } from "./dom.js";
import { eventRow, reasonTitle, thumbnail, verdictTag } from "./event_panel.js";
import { link } from "./router.js";

const MOST_FRAMES = 5;

// "today 05:10 to 06:02"
function timeSpan({ first_us, last_us }) {
  const first = dayAndTime(first_us, hourAndMinute);
  const isOneDay = startOfDay(first_us) === startOfDay(last_us);
  return `${first} to ${isOneDay ? hourAndMinute(last_us) : dayAndTime(last_us, hourAndMinute)}`;
}

// A stack of several events: the one with the highest score, how many there are, and a filmstrip.
function stackRow(stack, query, isCurrent) {
  const { event, rows, pictured } = stack;
  const frames = pictured.filter((one) => one.row !== event.row && one.snapshot);
  const step = Math.max(1, frames.length / MOST_FRAMES);
  const film = frames.filter((_, index) => index % step < 1).slice(0, MOST_FRAMES);
  const isOpen = pictured.some((one) => !one.end_us);
  return h("a", { class: "event-row", href: link(["events", String(event.row)], query),
    data: { row: event.row }, "aria-current": isCurrent ? "true" : null },
    h("span", { class: "pile" }, thumbnail(event),
      h("span", { class: "count", "aria-hidden": "true" }, `×${rows.length}`)),
    h("span", { class: "row-text" },
      h("span", { class: "strong" }, reasonTitle(event)),
      h("span", { class: "small soft number", title: fullTime(stack.first_us) },
        `${event.camera} · ${timeSpan(stack)}`),
      h("span", { class: "small number marks" },
        h("span", { class: isOpen ? "high" : "soft" },
          `${count(rows.length, "event")}, up to ${formatScore(stack.score)}`),
        verdictTag(event.verdict)),
      h("span", { class: "film small-film", "aria-hidden": "true" }, film.map(thumbnail))));
}

// Which stacks are selected, by the row of their first event: it stays when others are added.
const keyOf = (stack) => stack.rows.at(-1);

export class StackList {
  // `onChoose(stack)` is called with a stack that somebody wants to look at, `onSelect()` after
  // the selection has changed.
  constructor({ query, onChoose, onSelect, emptyPage }) {
    Object.assign(this, { query, onChoose, onSelect, emptyPage });
    this.stacks = [];
    this.chosen = null;
    this.selected = new Set();
    this.lastPicked = null;
    this.element = h("div", { class: "event-list" });
    this.element.addEventListener("click", (event) => this.press(event));
  }

  stackOf(row) { return this.stacks.find((stack) => stack.rows.includes(row)) ?? null; }

  get selectedStacks() { return this.stacks.filter((stack) => this.selected.has(keyOf(stack))); }

  clearSelection() {
    this.selected.clear();
    this.draw();
    this.onSelect();
  }

  // Takes over an event that has gone on or was judged; false where it is in none of the stacks.
  update(event) {
    const stack = this.stackOf(event.row);
    if (!stack) return false;
    if (stack.event.row === event.row) stack.event = event;
    stack.pictured = stack.pictured.map((one) => (one.row === event.row ? event : one));
    return true;
  }

  press(event) {
    const place = event.target.closest("[data-stack]");
    const index = this.stacks.findIndex((stack) => String(keyOf(stack)) === place?.dataset.stack);
    const rowLink = event.target.closest(".event-row");
    const box = event.target.closest("input");
    if (index < 0 || !(rowLink || box)) return;
    // With a key held the browser opens the link in another tab.
    if (rowLink && (event.ctrlKey || event.metaKey)) return;
    if (rowLink) event.preventDefault();
    if (box || event.shiftKey) this.select(index, event.shiftKey, box?.checked ?? true);
    else this.onChoose(this.stacks[index]);
  }

  // Selects a stack, and with Shift all from the one before to it.
  select(index, isRange, isSelected) {
    const before = this.stacks.findIndex((stack) => keyOf(stack) === this.lastPicked);
    const first = isRange && before >= 0 ? Math.min(before, index) : index;
    const last = isRange && before >= 0 ? Math.max(before, index) : index;
    for (const stack of this.stacks.slice(first, last + 1)) {
      if (isSelected) this.selected.add(keyOf(stack));
      else this.selected.delete(keyOf(stack));
    }
    this.lastPicked = keyOf(this.stacks[index]);
    this.draw();
    this.onSelect();
  }

  // The stacks, under the days on which they began where they are in the order of time.
  draw() {
    const { activeElement } = document;
    const focused = this.element.contains(activeElement)
      ? { stack: activeElement.closest("[data-stack]")?.dataset.stack, tag: activeElement.tagName }
      : null;
    const drawn = [];
    const byTime = ["", "oldest"].includes(this.query.sort ?? "");
    let day = null;
    for (const stack of this.stacks) {
      const at_us = this.query.sort === "oldest" ? stack.first_us : stack.last_us;
      if (byTime && startOfDay(at_us) !== day) {
        drawn.push(h("h2", { class: "day" }, longDay(at_us)));
        day = startOfDay(at_us);
      }
      drawn.push(this.drawStack(stack));
    }
    this.element.replaceChildren(...(drawn.length ? drawn : [this.emptyPage()]));
    if (!focused) return;
    const place = [...this.element.querySelectorAll("[data-stack]")]
      .find((one) => one.dataset.stack === focused.stack);
    place?.querySelector(focused.tag)?.focus({ preventScroll: true });
  }

  drawStack(stack) {
    const isCurrent = stack.rows.includes(this.chosen);
    const row = stack.rows.length > 1 ? stackRow(stack, this.query, isCurrent)
      : eventRow(stack.event, this.query, isCurrent);
    const label = `Select ${reasonTitle(stack.event)}, ${stack.event.camera}, ${timeSpan(stack)}`;
    const isSelected = this.selected.has(keyOf(stack));
    return h("div", { class: isSelected ? "pick selected" : "pick",
      data: { stack: keyOf(stack) } },
      h("label", {}, h("input", { type: "checkbox", checked: isSelected, "aria-label": label })),
      row);
  }

  markCurrent() {
    for (const place of this.element.querySelectorAll("[data-stack]")) {
      const stack = this.stacks.find((one) => String(keyOf(one)) === place.dataset.stack);
      const rowLink = place.querySelector(".event-row");
      if (!stack?.rows.includes(this.chosen)) rowLink.removeAttribute("aria-current");
      else {
        rowLink.setAttribute("aria-current", "true");
        place.scrollIntoView({ block: "nearest" });
      }
    }
  }
}
