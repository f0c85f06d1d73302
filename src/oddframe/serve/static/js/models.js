// The models at hand: what they are, where each is used, swapping one for another, and the way back.

import { address, ask, camera } from "./api.js";
import { busy, h } from "./dom.js";
import { rollBack } from "./history.js";
import { icon } from "./icons.js";
import { markdown } from "./markdown.js";
import { dialog, notice, tried } from "./notices.js";
import { link } from "./router.js";
import { loadCameras, on, store } from "./store.js";
import { budget, raw } from "./words.js";

export async function show(place, at, signal) {
  const list = h("div", { class: "models" });
  place.append(h("div", { class: "head" }, h("div", { class: "titles" }, h("h1", {}, "Models"),
    h("p", { class: "soft small" }, "What cameras compare with. Each is best where its footage came from."))),
      h("div", { class: "spaced" }, list));
  const load = async () => {
    const open = new Set([...list.querySelectorAll("details[open]")].map((one) => one.dataset.name));
    const { models } = await ask("models", { signal });
    list.replaceChildren(...(models.length ? models.map((one) => card(one, load, open.has(one.path))) : [empty()]));
  };
  on("changed", () => load().catch(() => {}), signal);
  await load();
}

function card(model, load, open) {
  const use = h("button", { type: "button", disabled: !store.cameras.size }, "Use for a camera …");
  use.addEventListener("click", busy(use, () => swap(model, load)));
  const facts = [
    ["Made", model.created ? model.created.slice(0, 10) : "–"],
    ["Picture", model.size ? `${model.size[0]} × ${model.size[1]}` : "–"], ["Rate", model.rate_fps ? `${model.rate_fps} frames/s` : "–"],
    ["Threshold", model.threshold ? `${raw(model.threshold)} (raw)` : "none"],
      ["For", model.false_alarms ? budget(model.false_alarms) : "–"],
    ["Hash", (model.sha256 ?? "").slice(0, 12)], ["Folder", model.path]];
  return h("article", { class: "card pad stack model", "aria-label": `Model ${model.name}` },
    h("div", { class: "row apart" }, h("h2", {}, model.name),
      model.report && h("a", { href: address(model.report), target: "_blank", rel: "noopener" }, "Training report")),
    h("div", { class: "row used" }, model.used_by.length
      ? model.used_by.map((name) => h("span", { class: "tag calm" }, icon("cameras"), h("a", { href: link(["cameras", name]) }, name)))
      : h("span", { class: "tag" }, "not used")),
    h("dl", { class: "facts" }, facts.map(([term, text]) => [h("dt", {}, term), h("dd", {}, text)])),
    model.card && h("details", { data: { name: model.path }, open }, h("summary", {}, "Model card"), markdown(model.card)),
    h("div", { class: "row" }, use, model.used_by.map((name) => {
      const back = h("button", { type: "button", class: "quiet" }, icon("back"),
        model.used_by.length > 1 ? `Roll back ${name}` : "Roll back");
      back.setAttribute("aria-label", `Roll back ${name}`);
      back.addEventListener("click", busy(back, () => rollBack(name, load)));
      return back;
    })));
}

async function swap(model, load) {
  const names = [...store.cameras.keys()].filter((name) => !model.used_by.includes(name));
  if (!names.length) { notice(`Every camera uses ${model.name} already.`); return; }
  const choice = h("select", { "aria-label": "Camera" }, names.map((name) => h("option", { value: name }, name)));
  const answer = await dialog(`Use ${model.name}`, h("div", { class: "stack" }, choice,
    h("p", { class: "soft small" }, "The camera is scored with this model from now on. Its threshold is the model's own for the camera's budget; it can be rolled back.")),
    [{ text: "Cancel", value: "" }, { text: "Use it", value: "yes", class: "main" }]);
  if (answer !== "yes") return;
  await tried(async () => {
    await ask(camera(choice.value), { method: "PUT", body: { model: model.name } });
    await loadCameras();
    notice(`${choice.value} uses ${model.name} now.`, { action: { text: "Roll back", run: () => rollBack(choice.value, load) } });
    await load();
  });
}

function empty() {
  return h("div", { class: "card empty" }, icon("models"), h("h2", {}, "No model yet"),
    h("p", {}, "Train one on footage in which nothing unusual happens, and put it into the folder “models” of the data folder:"),
    h("code", {}, `oddframe train FOOTAGE/ -o ${store.info.data_dir ?? "DIR"}/models/door`));
}
