// One camera: large picture, how it does, and what can be changed about it.

import { ask, camera } from "./api.js";
import { budgetPanel } from "./budget.js";
import { alarmTag, rate, stateTag, trouble } from "./camera_state.js";
import { busy, h, say } from "./dom.js";
import { eventRow } from "./event_row.js";
import { historyPanel } from "./history.js";
import { icon } from "./icons.js";
import { LivePicture } from "./live_picture.js";
import { dialog, notice, tried } from "./notices.js";
import { go, link, note } from "./router.js";
import { sparkline } from "./sparkline.js";
import { loadCameras, on, store } from "./store.js";
import { budget, moment, raw, score } from "./words.js";
import { zonesOverlay, zonesPanel } from "./zones.js";

export async function cameraPage(place, name, at, signal) {
  const live = new LivePicture(name, signal, at.query.heat === "1");
  const heat = h("input", { type: "checkbox", checked: live.heat });
  heat.addEventListener("change", () => { live.heat = heat.checked; note(["cameras", name], { heat: heat.checked ? 1 : "" }); });
  const tags = h("div", { class: "over" }), wrong = h("p", { class: "callout warn", hidden: true });
  const line = sparkline(), facts = h("dl", { class: "facts" }), value = h("span", { class: "number strong" });
  const outline = h("div", { class: "outline" });
  live.element.append(outline);
  let revisions = null;
  const reload = async () => { await loadCameras(); await revisions.load(); side(); };
  revisions = historyPanel(name, signal, async () => side());

  const apply = (chosen, button) => busy(button, () => tried(async () => {
    await ask(camera(name), { method: "PUT", body: { false_alarms: chosen } });
    notice(`${name} now keeps to ${budget(chosen)}.`);
    await reload();
  }))();
  const budgetPlace = h("div", {}), zonesPlace = h("div", {});
  const side = () => {
    const one = store.cameras.get(name);
    if (!one) return;
    budgetPlace.replaceChildren(budgetPanel(one, signal, apply));
    zonesPlace.replaceChildren(zonesPanel(one, live, outline, reload));
    if (!outline.querySelector(".editing")) outline.replaceChildren(zonesOverlay(one.zones));
  };

  place.append(
    h("div", { class: "head" },
      h("div", { class: "titles" }, h("a", { class: "crumb", href: "#/cameras" }, icon("left"), "Cameras"), h("h1", {}, name)),
      h("div", { class: "row" },
        h("a", { class: "button", href: link(["timeline"], { camera: name }) }, icon("timeline"), "Timeline"),
        h("a", { class: "button", href: link(["cameras", name, "edit"]) }, icon("edit"), "Edit"),
        h("button", { type: "button", class: "danger", onclick: () => remove(name) }, "Remove"))),
    wrong,
    h("div", { class: "camera-page spaced" },
      h("div", { class: "stack" },
        h("div", { class: "card tile large" }, h("div", { class: "screen" }, live.element, tags),
          h("div", { class: "under" },
            h("div", { class: "row apart" }, h("p", {}, "Score ", value, h("span", { class: "soft small" }, " · unusual above 0.5")),
              h("label", { class: "check" }, heat, "Heat map")),
            line.element)),
        await latest(name, signal)),
      h("div", { class: "stack" },
        budgetPlace,
        h("section", { class: "card pad stack", "aria-labelledby": "learn-title" },
          h("h2", { id: "learn-title" }, "Learn from what was normal"),
          h("p", { class: "soft small" }, "Events that you marked as normal move the threshold, so that the like of them raises no alarm. You see what would change before it does."),
          h("div", {}, h("a", { class: "button", href: link(["cameras", name, "recalibrate"]) }, "Preview recalibration"))),
        zonesPlace, revisions.element,
        h("section", { class: "card pad stack", "aria-labelledby": "facts-title" }, h("h2", { id: "facts-title" }, "Facts"), facts))));

  let state = "";
  const update = () => {
    const one = store.cameras.get(name);
    if (!one) return;
    const now = `${one.state?.phase} ${one.open_event}`;
    if (now !== state) { tags.replaceChildren(stateTag(one), one.open_event ? alarmTag() : ""); state = now; }
    say(value, score(one.score));
    value.classList.toggle("high", one.score > 0.5);
    const sentence = trouble(one);
    wrong.hidden = !sentence;
    say(wrong, sentence);
    line.update(one.recent);
    const rows = [["Source", one.source], ["Model", one.model], ["Threshold", `${raw(one.threshold)} (raw)`],
      ["Allowed", `${budget(one.budget ?? one.false_alarms)}${one.false_alarms ? "" : ", as the model has it"}`],
        ["Calibrated", one.calibrated_at_us ? moment(one.calibrated_at_us) : "with the model"],
      ["Picture", one.state?.size ? `${one.state.size[0]} × ${one.state.size[1]}` : "–"], ["Rate", rate(one) || "–"],
      ["Scoring", one.inference_ms ? `${one.inference_ms.toFixed(1)} ms a frame` : "–"], ["Dropped", `${one.state?.dropped ?? 0} frames`],
      ["Reconnects", String(one.state?.reconnects ?? 0)], ["Camera health", one.health ? "watched" : "not watched"]];
    if (facts.children.length !== rows.length * 2) facts.replaceChildren(...rows.flatMap(([term]) => [h("dt", {}, term), h("dd", {})]));
    rows.forEach(([, text], number) => say(facts.children[2 * number + 1], text ?? "–"));
  };
  for (const what of ["cameras", "status"]) on(what, update, signal);
  side();
  update();
}

async function latest(name, signal) {
  const list = h("div", { class: "event-list" });
  const load = async () => {
    const { events } = await ask(`events?camera=${encodeURIComponent(name)}&limit=4`, { signal });
    list.replaceChildren(...(events.length ? events.map((one) => eventRow(one))
      : [h("p", { class: "soft small pad" }, "Nothing unusual yet. What is will appear here.")]));
  };
  on("event", (event) => { if (event.camera === name) load().catch(() => {}); }, signal);
  await load();
  return h("section", { class: "card", "aria-labelledby": "latest-title" },
    h("div", { class: "row apart pad-head" }, h("h2", { id: "latest-title" }, "Latest events"),
      h("a", { href: link(["events"], { camera: name }) }, "All events")), list);
}

async function remove(name) {
  const answer = await dialog(`Remove ${name}?`, h("p", {}, "It is no longer watched. Its events and scores stay unless they go too."),
    [{ text: "Cancel", value: "" }, { text: "Remove, with all it recorded", value: "forget", class: "danger" },
      { text: "Remove", value: "keep", class: "main" }]);
  if (!answer) return;
  await tried(async () => {
    await ask(camera(name, "", { forget: answer === "forget" }), { method: "DELETE" });
    await loadCameras();
    notice(`${name} was removed.`);
    go(["cameras"]);
  });
}
