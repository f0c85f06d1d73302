// The grid of cameras, the form that adds or changes one, and the way to the page of each.

import { dayAndTime, formatBudget, formatScore, fullTime } from "../shared/format.js";
import { fetchJson, safeUrl } from "./api.js";
import { cameraPage, frameRate, stateTags, troubleText } from "./camera_page.js";
import { sparkline } from "./charts.js";
import { busy, field, h, setText, zoneNote } from "./dom.js";
import { eventRow, reasonTitle } from "./event_panel.js";
import { icon } from "./icons.js";
import { beginLearning, learnFields, learningCard, learnPage, loadLearnings } from "./learn.js";
import { LivePicture } from "./live_picture.js";
import { DEMONSTRATION, useModel } from "./models.js";
import { showNotice } from "./notices.js";
import { cameraFinder } from "./onvif.js";
import { link, navigate } from "./router.js";
import { loadCameras, store, subscribe } from "./store.js";
import { budgetField, recalibratePage } from "./thresholds.js";

const LATEST = 12, LEARNINGS_MS = 5000;

export async function show(place, route, signal) {
  const [, name, page] = route.path;
  if (name === undefined) return showGrid(place, route, signal);
  if (name === "new" && !store.cameras.has("new")) return showForm(place, null, signal);
  // A camera that is being learnt need not be watched yet.
  if (page === "learn") return learnPage(place, name, signal);
  if (!store.cameras.has(name)) {
    throw new Error(`There is no camera with the name “${name}”. It may have been removed.`);
  }
  if (page === "recalibrate") return recalibratePage(place, name, signal);
  if (page === "edit") return showForm(place, name, signal);
  return cameraPage(place, name, route, signal);
}

function showGrid(place, route, signal) {
  let tiles = [], heat = route.query.heat === "1";
  const cells = h("div", { class: "grid" });
  const heatBox = h("input", { type: "checkbox", checked: heat });
  heatBox.addEventListener("change", () => {
    heat = heatBox.checked;
    tiles.forEach((tile) => tile.setHeat(heat));
  });
  const tools = h("div", { class: "row" },
    h("label", { class: "check" }, heatBox, "Heat maps"),
    h("a", { class: "button main", href: "#/cameras/new" }, icon("plus"), "Add a camera"));
  const learnings = h("div", { class: "grid few spaced", hidden: true });
  place.append(h("div", { class: "head" }, h("h1", {}, "Cameras"), tools), learnings,
    h("div", { class: "spaced" }, cells), latestEvents(signal));

  async function drawLearnings() {
    const running = (await loadLearnings(signal)).filter(({ state }) => state !== "finished");
    learnings.replaceChildren(...running.map(learningCard));
    learnings.hidden = !running.length;
    draw();
  }
  // Tiles are made anew only when there are other cameras: a new tile loses its picture.
  let drawnNames = null, tilesAbort = null;
  const draw = () => {
    const names = [...store.cameras.keys()];
    if (JSON.stringify(names) !== drawnNames) {
      drawnNames = JSON.stringify(names);
      tilesAbort?.abort();
      tilesAbort = new AbortController();
      tiles = names.map((name) => cameraTile(name, tilesAbort.signal, heat));
      const none = tiles.length ? [] : [emptyGrid()];
      cells.replaceChildren(...tiles.map((tile) => tile.element), ...none);
      cells.classList.toggle("few", tiles.length > 0 && tiles.length < 3);
    }
    tools.hidden = !tiles.length && learnings.hidden;
    cells.hidden = !tiles.length && !learnings.hidden;
    tiles.forEach((tile) => tile.update());
  };
  signal.addEventListener("abort", () => tilesAbort?.abort(), { once: true });
  for (const change of ["cameras", "status", "event"]) subscribe(change, draw, signal);
  const look = () => { if (!document.hidden) drawLearnings().catch(() => {}); };
  subscribe("changed", (change) => { if (change.what === "learning") look(); }, signal);
  const timer = setInterval(look, LEARNINGS_MS);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  draw();
  look();
}

// One camera of the grid: its picture, its score, its state.
function cameraTile(name, signal, heatOn) {
  const live = new LivePicture(name, signal, { heat: heatOn });
  const line = sparkline(), tags = stateTags();
  const score = h("span", { class: "number strong" }), rate = h("span", {});
  const trouble = h("p", { class: "wrong", hidden: true });
  const lastEvent = h("p", { class: "small soft last" });
  const heat = h("button", { type: "button", class: "square on-picture", title: "Heat map",
    "aria-label": `Heat map of ${name}` }, icon("heat"));
  const setHeat = (isOn) => {
    live.heat = isOn;
    heat.setAttribute("aria-pressed", String(isOn));
  };
  heat.addEventListener("click", () => setHeat(!live.heat));
  setHeat(heatOn);
  const page = link(["cameras", name]);
  // The picture is a link for pointers only: keys and screen readers have the name below it.
  const element = h("article", { class: "card tile", "aria-label": `Camera ${name}` },
    h("div", { class: "screen" },
      h("a", { href: page, tabindex: "-1", "aria-hidden": "true" }, live.element),
      tags.element, heat),
    h("div", { class: "under" },
      h("div", { class: "row apart" },
        h("h2", {}, h("a", { href: page }, name)),
        h("p", { class: "small soft number" }, "score ", score, " ", rate)),
      line.element, trouble, lastEvent));

  const update = () => {
    const camera = store.cameras.get(name);
    if (!camera) return;
    tags.update(camera);
    live.showAge(camera);
    element.classList.toggle("alarming", Boolean(camera.unusual));
    setText(score, formatScore(camera.state?.phase === "live" ? camera.score : null));
    score.classList.toggle("high", camera.score > 0.5);
    setText(rate, frameRate(camera) && `· ${frameRate(camera)}`);
    const text = troubleText(camera);
    setText(trouble, text);
    trouble.hidden = !text;
    line.update(camera.recent);
    lastEvent.hidden = Boolean(text);
    const event = camera.last_event;
    const budget = formatBudget(camera.budget ?? camera.false_alarms);
    lastEvent.title = event ? fullTime(event.start_us) : "";
    setText(lastEvent, event ? `${reasonTitle(event)}, ${dayAndTime(event.start_us)}`
      : `Nothing unusual so far · limit: ${budget}`);
  };
  return { element, update, setHeat };
}

// The latest events of all cameras.
function latestEvents(signal) {
  const list = h("div", { class: "event-list wide" });
  const section = h("section",
    { class: "card spaced", "aria-labelledby": "latest-title", hidden: true },
    h("div", { class: "row apart pad-head" },
      h("h2", { id: "latest-title" }, "Latest events ", zoneNote()),
      h("a", { href: "#/events" }, "All events")), list);
  const load = async () => {
    const { events } = await fetchJson(`events?limit=${LATEST}`, { signal });
    section.hidden = !events.length;
    list.replaceChildren(...events.map((event) => eventRow(event)));
  };
  const reload = () => load().catch(() => {});
  for (const change of ["event", "changed"]) subscribe(change, reload, signal);
  reload();
  return section;
}

function emptyGrid() {
  const add = () => navigate(["cameras", "new"]);
  return h("div", { class: "card empty" }, icon("cameras"), h("h2", {}, "No camera yet"),
    h("p", {}, "Add your first camera: the address of a camera in your network, or a recording "
      + "to try Oddframe with. Oddframe learns what is normal there, and then watches it."),
    h("button", { type: "button", class: "main", onclick: add }, icon("plus"), "Add a camera"));
}

// The form that adds a camera, or changes the one of this name.
async function showForm(place, name, signal) {
  const camera = name === null ? null : store.cameras.get(name);
  const { models } = await fetchJson("models", { signal });
  const nameInput = h("input", { type: "text", required: true, maxlength: "64",
    autocomplete: "off", spellcheck: "false", placeholder: "front door" });
  const source = h("input", { type: "text", required: camera === null, autocomplete: "off",
    spellcheck: "false", inputmode: "url", placeholder: "rtsp://user:password@10.0.0.7/stream1" });
  // Without a value: a model of its own, which has to be learnt first.
  const model = h("select", {}, camera ? [] : h("option", { value: "" }, "Learn this camera"),
    models.map((known) => h("option", { value: known.name },
      known.demonstration ? `${known.name} (demonstration)` : known.name)));
  const warning = h("p", { class: "callout warn" }, DEMONSTRATION);
  const learn = learnFields(null);
  const learnPlace = h("div", { class: "callout stack" },
    h("p", {}, "Oddframe records the camera, learns what is normal there, and then watches it."),
    learn.element);
  const health = h("input", { type: "checkbox", checked: camera?.health ?? true });
  const loop = h("input", { type: "checkbox", checked: camera?.loop ?? true });
  const loopLabel = h("label", { class: "check" }, loop, "Play the recording again and again");
  const budget = budgetField(camera?.false_alarms);
  const showLoop = () => {
    const isAddress = /^\w+:\/\/|^\d+$/.test(source.value);
    loopLabel.hidden = source.value ? isAddress : camera?.kind !== "file";
  };
  source.addEventListener("input", showLoop);
  showLoop();
  if (camera) {
    nameInput.value = camera.name;
    source.placeholder = `${camera.source} (leave empty to keep it)`;
    model.value = models.find((known) => known.used_by.includes(name))?.name ?? model.value;
  }

  const result = h("div", { "aria-live": "polite" });
  const test = h("button", { type: "button" }, "Test");
  test.addEventListener("click", busy(test, async () => {
    if (!source.value) {
      result.replaceChildren(h("p", { class: "callout warn" }, "Enter an address first."));
      return;
    }
    result.replaceChildren(
      h("p", { class: "soft" }, "Connecting. This takes up to 12 seconds …"));
    try {
      const body = { source: source.value };
      result.replaceChildren(
        testResult(await fetchJson("cameras/test", { method: "POST", body, signal })));
    } catch (error) {
      result.replaceChildren(h("p", { class: "callout bad" }, error.message));
    }
  }));

  const finder = cameraFinder((address, called) => {
    source.value = address;
    nameInput.value ||= called;
    showLoop();
  });
  const problem = h("p", { class: "callout bad", role: "alert", hidden: true });
  const save = h("button", { class: "main" }, camera ? "Save" : "Add the camera");
  const back = camera ? link(["cameras", name]) : "#/cameras";
  const form = h("form", { class: "card pad stack form" },
    field("Name", nameInput, "For example: front door."),
    h("div", { class: "stack tight" },
      field("Address", source, "rtsp://, http(s):// or the path of a recording on the server. "
        + "A password in the address is kept secret: it is never shown again."),
      loopLabel, h("div", { class: "row" }, test, finder.button), finder.element, result),
    h("div", { class: "stack tight" },
      field("Model", model, "It knows what is normal. On another camera than the one that it was "
        + "trained on, most things look unusual to it."), warning),
    learnPlace,
    h("div", { class: "field" },
      h("span", { class: "label" }, "Allowed false alarms"), budget.element),
    h("label", { class: "check" }, health,
      "Warn when the camera is covered, frozen, out of focus or moved"),
    problem,
    h("div", { class: "row" }, save, h("a", { class: "button quiet", href: back }, "Cancel")));
  const showLearn = () => {
    warning.hidden = !models.find((known) => known.name === model.value)?.demonstration;
    learnPlace.hidden = model.value !== "";
    setText(save, camera ? "Save" : model.value ? "Add the camera" : "Learn this camera");
  };
  model.addEventListener("change", showLearn);
  showLearn();
  form.addEventListener("submit", busy(save, async () => {
    problem.hidden = true;
    if (!model.value) {
      try {
        const given = { name: nameInput.value.trim(), source: source.value, ...learn.value() };
        await learn.prepare(given.name);
        if (budget.value()) given.false_alarms = budget.value();
        const begun = await beginLearning(given);
        navigate(["cameras", begun.name, "learn"]);
      } catch (error) {
        problem.textContent = error.message;
        problem.hidden = false;
      }
      return;
    }
    const body = { name: nameInput.value.trim(), health: health.checked,
      false_alarms: budget.value() };
    if (source.value) body.source = source.value;
    if (!loopLabel.hidden) body.loop = loop.checked;
    try {
      if (camera && !await useModel(name, model.value, body)) return;
      if (!camera) {
        await fetchJson("cameras", { method: "POST", body: { ...body, model: model.value } });
        await loadCameras();
      }
      showNotice(`Camera ${body.name} was ${camera ? "changed" : "added"}.`);
      navigate(["cameras", body.name]);
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
  }));
  place.append(
    h("div", { class: "head" }, h("div", { class: "titles" },
      h("a", { class: "crumb", href: back }, icon("left"), camera ? name : "Cameras"),
      h("h1", {}, camera ? `Edit ${name}` : "Add a camera"))),
    h("div", { class: "spaced" }, form));
}

// What a test of an address gave: its picture, or why there is none.
function testResult({ ok, error, picture, size, rate_fps: rate }) {
  if (!ok) return h("p", { class: "callout bad" }, error ?? "The address gave no picture.");
  const facts = [size && `${size[0]} × ${size[1]}`, rate && `${rate.toFixed(1)} frames/s`];
  return h("figure", { class: "tested" },
    picture && h("img", { src: safeUrl(picture), alt: "The picture that the address gave" }),
    h("figcaption", {}, h("span", { class: "tag good" }, icon("check"), "It works"),
      ` ${facts.filter(Boolean).join(", ")}`));
}
