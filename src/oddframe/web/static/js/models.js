// The models on the server: what each is, which cameras use it, and how to use another.

import { capitalize, formatBudget, formatRawScore, shortDate } from "../shared/format.js";
import { cameraPath, fetchJson, safeUrl } from "./api.js";
import { busy, h, moment } from "./dom.js";
import { icon } from "./icons.js";
import { markdown } from "./markdown.js";
import { attempt, showDialog, showNotice } from "./notices.js";
import { link } from "./router.js";
import { loadCameras, store, subscribe } from "./store.js";
import { rollBack } from "./thresholds.js";

export async function show(place, route, signal) {
  const list = h("div", { class: "models" });
  place.append(
    h("div", { class: "head" }, h("div", { class: "titles" }, h("h1", {}, "Models"),
      h("p", { class: "soft small" }, "A model knows what is normal at a camera. It works best "
        + "where its training footage was recorded."))),
    h("div", { class: "spaced" }, list));

  // What was unfolded stays unfolded.
  async function load() {
    const unfolded = new Set(
      [...list.querySelectorAll("details[open]")].map((details) => details.dataset.name));
    const { models } = await fetchJson("models", { signal });
    const cards = models.map((model) => modelCard(model, load, unfolded.has(model.path)));
    list.replaceChildren(...(cards.length ? cards : [emptyList()]));
  }

  subscribe("changed", () => load().catch(() => {}), signal);
  await load();
}

export const DEMONSTRATION = "A demonstration that knows one camera of UCSD Ped2. "
  + "For a camera of yours, train a model on its own footage.";

const createdText = (us) => moment(us, shortDate(us));

function modelFacts(model) {
  return [
    ["Created", model.created ? createdText(Date.parse(model.created) * 1000) : "–"],
    ["Picture size", model.size ? `${model.size[0]} × ${model.size[1]}` : "–"],
    ["Frame rate", model.rate_fps ? `${model.rate_fps} frames/s` : "–"],
    ["Threshold", model.threshold ? `${formatRawScore(model.threshold)} (raw score)` : "none"],
    ["False alarms", model.false_alarms
      ? formatBudget(model.false_alarms) + model.allowance.slice(model.false_alarms.length) : "–"],
    ["Hash", (model.sha256 ?? "").slice(0, 12)],
    ["Folder", model.path],
  ];
}

function modelCard(model, reload, isUnfolded) {
  const { used_by: cameras } = model;
  const use = h("button", { type: "button", disabled: !store.cameras.size }, "Use for a camera …");
  use.addEventListener("click", busy(use, () => changeModel(model, reload)));
  const cameraTag = (name) => h("span", { class: "tag calm" }, icon("cameras"),
    h("a", { href: link(["cameras", name]) }, name));
  const backButton = (name) => {
    const text = cameras.length > 1 ? `Roll back ${name}` : "Roll back";
    const back = h("button", { type: "button", class: "quiet", "aria-label": `Roll back ${name}` },
      icon("back"), text);
    back.addEventListener("click", busy(back, () => rollBack(name, reload)));
    return back;
  };
  const card = model.card && h("details", { data: { name: model.path }, open: isUnfolded },
    h("summary", {}, "Model card"), markdown(model.card));
  const report = model.report && h("a",
    { href: safeUrl(model.report), target: "_blank", rel: "noopener" }, "Training report");
  return h("article", { class: "card pad stack model", "aria-label": `Model ${model.name}` },
    h("div", { class: "row apart" }, h("h2", {}, model.name), report),
    h("div", { class: "row used" }, cameras.length ? cameras.map(cameraTag)
      : h("span", { class: "tag" }, "not used")),
    model.demonstration && h("p", { class: "callout warn" }, DEMONSTRATION),
    h("dl", { class: "facts" },
      modelFacts(model).map(([term, text]) => [h("dt", {}, term), h("dd", {}, text)])),
    card,
    h("div", { class: "row" }, use, cameras.map(backButton)));
}

// Shows both views side by side; resolves with whether the model is to be used all the same.
async function confirmView(name, { model, sentence, aspect, ...pictures }) {
  const figure = (url, text) => {
    const image = h("img", { src: safeUrl(url), alt: text });
    // The model's picture has the shape of its network, which need not be that of the camera.
    image.style.aspectRatio = String(aspect);
    return h("figure", {}, image, h("figcaption", { class: "small" }, text));
  };
  const content = h("div", { class: "stack" },
    h("p", { class: "callout warn" }, `${capitalize(sentence)}. The camera would not be scored.`),
    h("div", { class: "views" },
      figure(pictures.camera_picture, `What ${name} shows now`),
      figure(pictures.model_picture, `What ${model} has learnt`)),
    h("p", { class: "soft small" }, "A model knows one view. For another one, let the camera be "
      + "learnt."));
  return await showDialog("This model has learnt another view", content, [
    { text: "Cancel", value: "", class: "main" },
    { text: "Use it all the same", value: "yes", class: "danger" }]) === "yes";
}

// Has a camera use a model, with other settings; asks first where the model has learnt another
// view. Resolves with whether the camera uses it.
export async function useModel(name, model, settings = {}) {
  const isSame = store.cameras.get(name)?.model === model;
  const view = isSame ? { differs: false }
    : await fetchJson(cameraPath(name, "view", { model }));
  if (view.differs && !await confirmView(name, view)) return false;
  const body = { ...settings, model, other_view: view.differs };
  await fetchJson(cameraPath(name), { method: "PUT", body });
  await loadCameras();
  return true;
}

// Asks for a camera, and lets it use the model.
async function changeModel(model, reload) {
  const names = [...store.cameras.keys()].filter((name) => !model.used_by.includes(name));
  if (!names.length) {
    showNotice(`All cameras use ${model.name} already.`);
    return;
  }
  const choice = h("select", { "aria-label": "Camera" },
    names.map((name) => h("option", { value: name }, name)));
  const answer = await showDialog(`Use ${model.name}`, h("div", { class: "stack" }, choice,
    model.demonstration && h("p", { class: "callout warn" }, DEMONSTRATION),
    h("p", { class: "soft small" }, "The camera uses this model from now on, with the threshold "
      + "that fits its allowed false alarms. You can roll this back.")),
  [{ text: "Cancel", value: "" }, { text: "Use it", value: "yes", class: "main" }]);
  if (answer !== "yes") return;
  const name = choice.value;
  await attempt(async () => {
    if (!await useModel(name, model.name)) return;
    showNotice(`Camera ${name} uses ${model.name} now.`,
      { action: { text: "Roll back", run: () => rollBack(name, reload) } });
    await reload();
  });
}

function emptyList() {
  return h("div", { class: "card empty" }, icon("models"), h("h2", {}, "No model yet"),
    h("p", {}, "Train a model on footage in which nothing unusual happens, and save it in the "
      + "folder “models” of the data folder:"),
    h("code", {}, `oddframe train FOOTAGE/ -o ${store.info.data_dir ?? "DIR"}/models/door`));
}
