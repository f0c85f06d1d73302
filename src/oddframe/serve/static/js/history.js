// What was changed about a camera's alarms, and the way back.

import { ask, camera } from "./api.js";
import { busy, h } from "./dom.js";
import { icon } from "./icons.js";
import { notice, sure, tried } from "./notices.js";
import { loadCameras } from "./store.js";
import { moment } from "./words.js";

export async function rollBack(name, then) {
  if (!await sure("Roll back?", `The newest change of ${name} (its calibration, budget or model) is undone; what held before holds again at once.`, "Roll back")) return;
  await tried(async () => {
    await ask(camera(name, "rollback"), { method: "POST" });
    await loadCameras();
    notice(`Rolled back: ${name} is as it was before the newest change.`);
    await then?.();
  });
}

export function historyPanel(name, signal, then) {
  const list = h("ol", { class: "revisions" }), back = h("button", { type: "button" }, icon("back"), "Roll back");
  back.addEventListener("click", busy(back, () => rollBack(name, async () => { await load(); await then?.(); })));
  const load = async () => {
    const { revisions } = await ask(camera(name, "history"), { signal });
    const newest = [...revisions].sort((a, b) => b.number - a.number);
    list.replaceChildren(...newest.map((one) => h("li", { class: one.current ? "current" : one.undone ? "undone" : "" },
      h("span", { class: "what" }, one.text || one.what, one.current && h("span", { class: "tag good" }, icon("check"), "in use"),
        one.undone && h("span", { class: "tag" }, "rolled back")),
      h("span", { class: "small soft number" }, moment(one.at_us)))));
    if (!newest.length) list.replaceChildren(h("li", { class: "soft small" },
      "Nothing has been changed yet. What you change here can be rolled back."));
    back.hidden = newest.every((one) => one.undone);
  };
  load().catch((error) => { if (!signal.aborted) list.replaceChildren(h("li", { class: "soft small" }, error.message)); });
  const element = h("section", { class: "card pad stack", "aria-labelledby": "history-title" },
    h("div", { class: "row apart" }, h("h2", { id: "history-title" }, "History"), back), list);
  return { element, load };
}
