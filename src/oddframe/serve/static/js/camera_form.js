// Adding a camera, and changing one.

import { address, ask, camera } from "./api.js";
import { budgetField } from "./budget.js";
import { busy, field, h } from "./dom.js";
import { icon } from "./icons.js";
import { notice } from "./notices.js";
import { go, link } from "./router.js";
import { loadCameras, store } from "./store.js";

export async function cameraForm(place, name, signal) {
  const one = name === null ? null : store.cameras.get(name);
  const { models } = await ask("models", { signal });
  const naming = h("input", { type: "text", required: true, maxlength: "64", autocomplete: "off", spellcheck: "false",
    placeholder: "front door" });
  const source = h("input", { type: "text", required: one === null, autocomplete: "off", spellcheck: "false", inputmode: "url",
    placeholder: "rtsp://user:password@10.0.0.7/stream1" });
  const model = h("select", { required: true }, models.map((known) => h("option", { value: known.name }, known.name)));
  const health = h("input", { type: "checkbox", checked: one?.health ?? true });
  const loop = h("input", { type: "checkbox", checked: one?.loop ?? true }),
    looping = h("label", { class: "check" }, loop, "Play the recording over and over, as if it were a camera");
  const fit = () => { looping.hidden = source.value ? /^\w+:\/\/|^\d+$/.test(source.value) : one?.kind !== "file"; };
  source.addEventListener("input", fit);
  const budget = budgetField(one?.false_alarms);
  if (one) {
    naming.value = one.name;
    naming.disabled = true;
    source.placeholder = `${one.source} (kept unless you write another)`;
    model.value = models.find((known) => known.used_by.includes(name))?.name ?? model.value;
  }
  const tested = h("div", { "aria-live": "polite" }), wrong = h("p", { class: "callout bad", role: "alert", hidden: true });
  const save = h("button", { class: "main" }, one ? "Save" : "Add the camera");
  const test = h("button", { type: "button" }, "Test");
  test.addEventListener("click", busy(test, async () => {
    if (!source.value) { tested.replaceChildren(h("p", { class: "callout warn" }, "Write an address to test.")); return; }
    tested.replaceChildren(h("p", { class: "soft" }, "Connecting; this takes up to 12 seconds …"));
    try { tested.replaceChildren(outcome(await ask("cameras/test", { method: "POST", body: { source: source.value }, signal }))); }
    catch (error) { tested.replaceChildren(h("p", { class: "callout bad" }, error.message)); }
  }));
  fit();
  const form = h("form", { class: "card pad stack form" },
    field("Name", naming, "As you call the place."),
    h("div", { class: "stack tight" },
      field("Address", source, "rtsp://, http(s):// or the path of a recording on the server. A password in it is kept secret: it is never shown again."),
      looping, h("div", {}, test), tested),
    models.length ? field("Model", model, "What it has learned to be normal. Train one on this camera's own footage for good results.")
      : h("p", { class: "callout warn" }, "There is no model yet. Train one: oddframe train FOOTAGE/ -o DIR/models/NAME"),
    h("div", { class: "field" }, h("span", { class: "label" }, "False alarms allowed"), budget.element),
    h("label", { class: "check" }, health, "Tell when the camera is covered, frozen, out of focus or moved"),
    wrong, h("div", { class: "row" }, save,
      h("a", { class: "button quiet", href: one ? link(["cameras", name]) : "#/cameras" }, "Cancel")));
  form.addEventListener("submit", busy(save, async () => {
    wrong.hidden = true;
    const body = { model: model.value, health: health.checked, false_alarms: budget.value() };
    if (source.value) body.source = source.value;
    if (!looping.hidden) body.loop = loop.checked;
    try {
      const made = one ? await ask(camera(name), { method: "PUT", body })
        : await ask("cameras", { method: "POST", body: { name: naming.value.trim(), ...body } });
      await loadCameras();
      notice(one ? `${name} was changed.` : `${made.name} is watched now.`);
      go(["cameras", made?.name ?? name]);
    } catch (error) {
      wrong.textContent = error.message;
      wrong.hidden = false;
    }
  }));
  place.append(h("div", { class: "head" }, h("div", { class: "titles" },
    h("a", { class: "crumb", href: one ? link(["cameras", name]) : "#/cameras" }, icon("left"), one ? name : "Cameras"),
    h("h1", {}, one ? `Edit ${name}` : "Add a camera"))), h("div", { class: "spaced" }, form));
}

function outcome(told) {
  if (!told.ok) return h("p", { class: "callout bad" }, told.error ?? "No picture came.");
  return h("figure", { class: "tested" },
    told.picture && h("img", { src: address(told.picture), alt: "The picture that the address gave" }),
    h("figcaption", {}, h("span", { class: "tag good" }, icon("check"), "It works"),
      ` ${told.size ? `${told.size[0]} × ${told.size[1]}` : ""}${told.rate_fps ? `, ${told.rate_fps.toFixed(1)} frames/s` : ""}`));
}
