// One camera of the grid: its picture, what it scores, how it is.

import { h, say } from "./dom.js";
import { icon } from "./icons.js";
import { alarmTag, rate, stateTag, trouble } from "./camera_state.js";
import { LivePicture } from "./live_picture.js";
import { link } from "./router.js";
import { sparkline } from "./sparkline.js";
import { store } from "./store.js";
import { budget, moment, reason, score } from "./words.js";

export function cameraTile(name, signal, heatOn) {
  const live = new LivePicture(name, signal, heatOn);
  const line = sparkline();
  const tags = h("div", { class: "over" }), value = h("span", { class: "number strong" }), fps = h("span", {});
  const wrong = h("p", { class: "wrong", hidden: true }), last = h("p", { class: "small soft last" });
  const heat = h("button", { type: "button", class: "square on-picture", "aria-label": `Heat map of ${name}`, title: "Heat map" },
    icon("heat"));
  const setHeat = (wanted) => { live.heat = wanted; heat.setAttribute("aria-pressed", String(wanted)); };
  heat.addEventListener("click", () => setHeat(!live.heat));
  setHeat(heatOn);
  const tile = h("article", { class: "card tile", "aria-label": `Camera ${name}` },
    h("div", { class: "screen" }, h("a", { href: link(["cameras", name]), tabindex: "-1", "aria-hidden": "true" }, live.element), tags,
      heat),
    h("div", { class: "under" },
      h("div", { class: "row apart" },
        h("h2", {}, h("a", { href: link(["cameras", name]) }, name)),
        h("p", { class: "small soft number" }, "score ", value, " ", fps)),
      line.element, wrong, last));
  let state = "";
  const update = () => {
    const one = store.cameras.get(name);
    if (!one) return;
    const now = `${one.state?.phase} ${one.open_event}`;
    if (now !== state) { tags.replaceChildren(stateTag(one), one.open_event ? alarmTag() : ""); state = now; }
    tile.classList.toggle("alarming", Boolean(one.open_event));
    say(value, score(one.score));
    value.classList.toggle("high", one.score > 0.5);
    say(fps, rate(one) && `· ${rate(one)}`);
    const sentence = trouble(one);
    say(wrong, sentence);
    wrong.hidden = !sentence;
    line.update(one.recent);
    last.hidden = Boolean(sentence);
    const event = one.last_event;
    say(last, event ? `${reason(event)}, ${moment(event.start_us)}`
      : `Nothing unusual yet · at most ${budget(one.budget ?? one.false_alarms)}`);
  };
  return { element: tile, update, setHeat };
}
