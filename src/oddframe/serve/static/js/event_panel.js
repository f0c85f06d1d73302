// All about one event: clip, reason, times, verdict. The timeline and the list of events share it.

import { bars } from "./bars.js";
import { ClipPlayer } from "./clip_player.js";
import { h } from "./dom.js";
import { lasted, verdictTag } from "./event_row.js";
import { link } from "./router.js";
import { verdictPart } from "./verdict.js";
import { clock, moment, reason, score } from "./words.js";

export class EventPanel {
  // `changed` is told of an event with a new verdict, `ontime` where the clip is.
  constructor({ changed, ontime, place = "events" } = {}) {
    this.changed = changed;
    this.place = place;
    this.player = new ClipPlayer({ ontime });
    this.facts = h("div", { class: "event-facts" });
    this.element = h("article", { class: "card event-panel", "aria-live": "off" }, this.player.element, this.facts);
    this.event = null;
  }

  show(event, options = {}) {
    const same = this.event !== null && this.event.row === event.row;
    const typing = same && this.facts.contains(document.activeElement) && document.activeElement.matches("textarea");
    this.event = event;
    this.player.show(event, options);
    if (!typing) this.draw(same);
  }

  draw(same) {
    const { event } = this, focus = same && this.facts.contains(document.activeElement)
      ? [...this.facts.querySelectorAll("button")].indexOf(document.activeElement) : -1;
    const elsewhere = this.place === "events"
      ? h("a", { href: link(["timeline"], { camera: event.camera, at: event.start_us, event: event.row }) }, "On the timeline")
      : h("a", { href: link(["events", String(event.row)]) }, "Among the events");
    this.facts.replaceChildren(
      h("div", { class: "stack tight" },
        h("div", { class: "row apart" }, h("h2", {}, reason(event)), verdictTag(event.verdict)),
        h("p", { class: "soft small number" }, h("a", { href: link(["cameras", event.camera]) }, event.camera),
          ` · ${moment(event.start_us)} · `, elsewhere)),
      h("dl", { class: "times" },
        h("div", {}, h("dt", {}, "Start"), h("dd", {}, clock(event.start_us))),
        h("div", {}, h("dt", {}, event.kind === "health" ? "Kind" : "Peak"),
          h("dd", {}, event.kind === "health" ? "camera" : clock(event.peak_us))),
        h("div", {}, h("dt", {}, "Lasted"), h("dd", {}, lasted(event))),
        h("div", {}, h("dt", {}, "Score"), h("dd", {}, event.kind === "health" ? "–" : score(event.score)))),
      bars(event),
      verdictPart(event, (now) => { this.show(now); this.changed?.(now); }));
    if (focus >= 0) this.facts.querySelectorAll("button")[focus]?.focus({ preventScroll: true });
  }
}
