// Which events are wanted: what filters there are, the fields in which people choose, and the
// address and the request that say the same.

import { fromTimeKey, fullTime, siteZone } from "../shared/format.js";
import { queryString, ROOT } from "./api.js";
import { field, h } from "./dom.js";
import { icon } from "./icons.js";
import { copyLink } from "./notices.js";
import { link } from "./router.js";
import { store } from "./store.js";

const SELECTS = {
  camera: () => [["", "All cameras"], ...[...store.cameras.keys()].map((name) => [name, name])],
  reason: () => [["", "All reasons"], ["looks wrong", "Looks wrong"],
    ["moves wrong", "Moves wrong"], ["unlike any known pattern", "Unlike any known pattern"]],
  kind: () => [["", "Scene and camera events"], ["anomaly", "Scene events"],
    ["health", "Camera events"]],
  verdict: () => [["", "All verdicts"], ["none", "Not reviewed"], ["important", "Important"],
    ["unsure", "Unsure"], ["normal", "Normal"]],
};

const ORDERS = [["", "Newest first"], ["oldest", "Oldest first"], ["score", "Highest score first"],
  ["rarity", "Rarest first"]];

// Fields of the second row, which is folded away while none of them is used.
const MORE = ["min_score", "from", "to", "note"];

const NAMES = [...Object.keys(SELECTS), ...MORE, "sort"];

function select(name, label, options, query, onChange) {
  const box = h("select", { "aria-label": label },
    options.map(([value, text]) => h("option", { value }, text)));
  box.value = query[name] ?? "";
  // A camera that is gone, in an address that somebody kept, still says what is filtered.
  if (query[name] && box.value !== query[name]) {
    box.append(h("option", { value: query[name] }, query[name]));
    box.value = query[name];
  }
  box.addEventListener("change", () => onChange(name, box.value));
  return box;
}

// A row of select boxes; `onChange` is called with the name of a filter and its new value.
export function filterRow(query, onChange, names = Object.keys(SELECTS)) {
  return h("div", { class: "row filters", role: "group", "aria-label": "Filters" },
    names.map((name) => select(name, name, SELECTS[name](), query, onChange)));
}

// What of an address's query are filters.
export function filtersOf(query) {
  return Object.fromEntries(Object.entries(query)
    .filter(([name, value]) => NAMES.includes(name) && value));
}

export const hasFilters = (query) => NAMES.some((name) => name !== "sort" && query[name]);

// The same filters as the API wants them: moments in microseconds.
export function apiFilters({ from, to, ...query }) {
  return { ...query, from_us: from && fromTimeKey(from), to_us: to && fromTimeKey(to) };
}

// Whether an event fits the select boxes of a query.
export function fitsFilters(event, query) {
  return Object.keys(SELECTS).every((name) => !query[name]
    || (name === "verdict" ? event.verdict ?? "none" : event[name]) === query[name]);
}

function exportLink(query, suffix, text) {
  const { sort, ...filters } = apiFilters(query);
  // The page has an order, as the list has; tables are sorted by whoever opens them.
  const asked = suffix === "html" ? { ...filters, sort } : filters;
  const href = new URL(`export/events.${suffix}${queryString(asked)}`, ROOT);
  return h("a", { class: "button", href: href.href, download: "" }, icon("save"), text);
}

// The browser writes the moment in its field in a form of its own: here it is as everywhere.
function momentHelp(key) {
  const us = key ? fromTimeKey(key) : null;
  return us === null ? `In the time zone ${siteZone()}.` : `${fullTime(us)}.`;
}

// All filters of the page Events: {head, more}, the row beside the title and the one below it.
export function eventFilters(query, onChange) {
  const input = (name, properties) => {
    const box = h("input", { ...properties, value: query[name] ?? "" });
    box.addEventListener("change", () => { if (box.checkValidity()) onChange(name, box.value); });
    return box;
  };
  const moment = { type: "datetime-local", step: "60" };
  const isUsed = MORE.some((name) => query[name]);
  const more = h("div", { class: "card pad more-filters", hidden: !isUsed, id: "more-filters" },
    field("From", input("from", moment), momentHelp(query.from)),
    field("To", input("to", moment), momentHelp(query.to)),
    field("Lowest score", input("min_score",
      { type: "number", min: "0.5", max: "1", step: "0.01", placeholder: "0.50" })),
    field("Text in note or description", input("note",
      { type: "search", maxlength: "200", placeholder: "gardener" })),
    h("div", { class: "row" },
      exportLink(query, "html", "Report"), exportLink(query, "csv", "CSV"),
      exportLink(query, "parquet", "Parquet"),
      h("button", { type: "button", onclick: () => copyLink(link(["events"], query)) },
        icon("link"), "Copy link to this filter"),
      hasFilters(query) && h("a", { class: "button quiet", href: "#/events" }, "Show all events")));
  const unfold = h("button", { type: "button", class: "unfold", "aria-controls": more.id,
    "aria-expanded": String(isUsed) }, icon("filter"), "Search and export");
  unfold.addEventListener("click", () => {
    more.hidden = !more.hidden;
    unfold.setAttribute("aria-expanded", String(!more.hidden));
  });
  const head = filterRow(query, onChange);
  head.append(select("sort", "Order", ORDERS, query, onChange), unfold);
  return { head, more };
}
