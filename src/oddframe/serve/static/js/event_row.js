// An event in a list: its picture, when, where, why, and what was said of it.

import { address } from "./api.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { link } from "./router.js";
import { length, moment, reason, score, VERDICTS } from "./words.js";

export function verdictTag(verdict) {
  if (!verdict) return h("span", { class: "tag" }, "not reviewed");
  const [word, symbol, colour] = VERDICTS[verdict];
  return h("span", { class: `tag ${colour}` }, icon(symbol), word);
}

export function lasted(event) {
  return event.end_us ? length((event.end_us - event.start_us) / 1e6) : "still going on";
}

export function eventRow(event, query = {}, current = false) {
  const picture = event.snapshot ? h("img", { src: address(event.snapshot), alt: "", loading: "lazy" })
    : h("span", { class: "blank" }, icon(event.kind === "health" ? "health" : "events"));
  return h("a", { class: "event-row", href: link(["events", String(event.row)], query), data: { row: event.row },
    "aria-current": current ? "true" : null },
    picture,
    h("span", { class: "told" },
      h("span", { class: "strong" }, reason(event)),
      h("span", { class: "small soft number" }, `${event.camera} · ${moment(event.start_us)}`),
      h("span", { class: "small number marks" },
        event.kind === "health" ? h("span", { class: "tag warn" }, "camera")
        : h("span", { class: event.end_us ? "soft" : "high" }, `${score(event.score)} · ${lasted(event)}`),
        verdictTag(event.verdict), event.note && h("span", { class: "soft", title: event.note }, "note"))));
}
