// Settings that people change: when alarms of a camera are wanted, and how long things are kept.

import { siteZone } from "../shared/format.js";
import { cameraPath, fetchJson } from "./api.js";
import { busy, field, h, s } from "./dom.js";
import { icon } from "./icons.js";
import { askToConfirm, attempt, showNotice } from "./notices.js";
import { historyPanel } from "./thresholds.js";
import { tidyZones } from "./zones.js";

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY_NAMES = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const DAY_MIN = 1440;
const TIME = "([01]?[0-9]|2[0-3]):[0-5][0-9]|24:00";
const FIRST_PERIOD = { days: new Set([0, 1, 2, 3, 4]), from: "18:00", to: "06:00" };

const minutesOf = (text) => {
  const [hours, minutes] = text.split(":").map(Number);
  return 60 * hours + minutes;
};

// "mon-fri,sun 18:00-06:00", as it stands in the file, and what the editor makes of it.
function parsePeriod(text) {
  const [, dayText, from, to] = /^\s*(?:([a-z,\- ]+?)\s+)?([\d:]+)\s*-\s*([\d:]+)\s*$/
    .exec(text.toLowerCase());
  const days = new Set();
  for (const part of dayText?.replaceAll(" ", "").split(",") ?? ["mon-sun"]) {
    const [first, last = first] = part.split("-").map((day) => DAYS.indexOf(day));
    // "sat-mon" runs over the end of the week.
    for (let day = first; ; day = (day + 1) % DAYS.length) {
      days.add(day);
      if (day === last) break;
    }
  }
  return { days, from, to: to === "00:00" || to === "0:00" ? "24:00" : to };
}

function periodText({ days, from, to }) {
  const runs = [];
  for (const day of [...days].sort()) {
    if (runs.length && runs.at(-1).at(-1) === day - 1) runs.at(-1).push(day);
    else runs.push([day]);
  }
  const texts = runs.map((run) => (run.length > 1 ? `${DAYS[run[0]]}-${DAYS[run.at(-1)]}`
    : DAYS[run[0]]));
  return `${days.size < DAYS.length ? `${texts.join(",")} ` : ""}${from}-${to}`;
}

// The stretches of each day that periods cover, [day, first minute, last minute].
function stretches(periods) {
  return periods.flatMap(({ days, from, to }) => [...days].flatMap((day) => {
    const [first, last] = [minutesOf(from), minutesOf(to)];
    // What lasts past midnight goes on with the next day.
    return last > first ? [[day, first, last]]
      : [[day, first, DAY_MIN], [(day + 1) % DAYS.length, 0, last]];
  }));
}

// The week as seven rows, on which the hours in which alarms are wanted are filled.
function weekPicture(periods) {
  const row = (_, day) => s("rect", { class: "all", x: 0, y: day + 0.1, width: DAY_MIN,
    height: 0.8 });
  const bars = stretches(periods).map(([day, first, last]) => s("rect", { class: "covered",
    x: first, y: day + 0.1, width: last - first, height: 0.8 }));
  return h("div", { class: "week" },
    h("div", { class: "days small soft", "aria-hidden": "true" },
      DAY_NAMES.map((name) => h("span", {}, name.slice(0, 2)))),
    s("svg", { viewBox: `0 0 ${DAY_MIN} ${DAYS.length}`, preserveAspectRatio: "none",
      "aria-hidden": "true" }, DAYS.map(row), bars),
    h("div", { class: "hours small soft", "aria-hidden": "true" },
      ["0:00", "6:00", "12:00", "18:00", "24:00"].map((text) => h("span", {}, text))));
}

// One period in the editor: its days as buttons, its two times; `onChange` is called after each
// change, `onRemove` when it is to go.
function periodEditor(period, number, onChange, onRemove) {
  const dayButton = (name, day) => {
    const button = h("button", { type: "button", "aria-label": name,
      "aria-pressed": String(period.days.has(day)) }, name.slice(0, 2));
    button.addEventListener("click", () => {
      if (!period.days.delete(day)) period.days.add(day);
      button.setAttribute("aria-pressed", String(period.days.has(day)));
      onChange();
    });
    return button;
  };
  const time = (name, label) => {
    const input = h("input", { type: "text", class: "narrow", pattern: TIME, required: true,
      value: period[name], inputmode: "numeric", maxlength: "5", title: "Such as 18:00",
      "aria-label": label });
    input.addEventListener("input", () => {
      if (!input.checkValidity()) return;
      period[name] = input.value;
      onChange();
    });
    return input;
  };
  return h("li", { class: "stack tight" },
    h("div", { class: "segments", role: "group", "aria-label": `Days of period ${number}` },
      DAY_NAMES.map(dayButton)),
    h("div", { class: "row" }, time("from", "From"), "to", time("to", "To"),
      h("button", { type: "button", class: "quiet", "aria-label": `Remove period ${number}`,
        onclick: onRemove }, "Remove")));
}

const coolDownText = (seconds) => ((seconds ?? null) === null ? "Model default."
  : `After an event no other one begins for ${seconds} s.`);

// When alarms of a camera are wanted, and its cool-down; `reload` is called when they have changed.
export function hoursPanel(camera, reload) {
  const { zones } = camera;
  const zone = zones?.time_zone ?? siteZone();
  const kept = (zones?.armed ?? []).map(parsePeriod);
  const body = h("div", { class: "stack" });

  function showSettings() {
    const edit = h("button", { type: "button", onclick: showEditor }, icon("edit"), "Change");
    body.replaceChildren(...[
      kept.length ? weekPicture(kept) : null,
      h("p", { class: "small" }, kept.length
        ? `Alarms are raised ${zones.armed.join(", ")} (${zone}).`
        : "Alarms are raised at all times."),
      h("p", { class: "small" }, `Cool-down: ${coolDownText(zones?.cool_down_s)}`),
      h("div", {}, edit)].filter(Boolean));
  }

  function showEditor() {
    const periods = kept.map((period) => ({ ...period, days: new Set(period.days) }));
    const picture = h("div", {}), list = h("ul", { class: "plain periods" });
    const seconds = h("input", { type: "number", min: "0", step: "any", class: "narrow",
      placeholder: "model", value: String(zones?.cool_down_s ?? "") });
    const drawWeek = () => picture.replaceChildren(weekPicture(periods));
    const draw = () => {
      drawWeek();
      list.replaceChildren(...periods.map((period, place) =>
        periodEditor(period, place + 1, drawWeek, () => { periods.splice(place, 1); draw(); })));
    };
    const add = h("button", { type: "button" }, icon("plus"), "Add hours");
    add.addEventListener("click", () => {
      periods.push({ ...FIRST_PERIOD, days: new Set(FIRST_PERIOD.days) });
      draw();
    });
    const save = h("button", { class: "main" }, "Save");
    const form = h("form", { class: "stack" }, picture,
      h("p", { class: "soft small" }, "Without hours alarms are raised at all times. A period may "
        + `last past midnight. Times are those of ${zone}.`),
      list, h("div", {}, add),
      field("Cool-down in seconds", seconds,
        "So long after an event no other one begins. Leave it empty to keep that of the model."),
      h("div", { class: "row" }, save,
        h("button", { type: "button", class: "quiet", onclick: showSettings }, "Cancel")));
    form.addEventListener("submit", busy(save, () => attempt(async () => {
      const used = periods.filter(({ days }) => days.size);
      const changed = tidyZones({ ...zones, armed: used.map(periodText),
        time_zone: used.length ? zone : null,
        cool_down_s: seconds.value === "" ? null : Number(seconds.value) });
      await fetchJson(cameraPath(camera.name), { method: "PUT", body: { zones: changed } });
      showNotice(`Hours and cool-down of ${camera.name} saved.`);
      await reload();
    })));
    draw();
    body.replaceChildren(form);
  }

  showSettings();
  return h("section", { class: "card pad stack", "aria-labelledby": "hours-title" },
    h("h2", { id: "hours-title" }, "Armed hours"), body);
}

const KEPT = [
  ["keep_days", "Days", "Events, pictures, clips and scores that are older are deleted."],
  ["pictures_gb", "Gigabytes of pictures and clips", "Beyond that the oldest are deleted."],
  ["keep_free_gb", "Gigabytes to leave free",
    "While the disk has less room, pictures and clips are deleted, the oldest first."],
];

// How long and how much is kept, with the changes of that.
export async function retentionPanel(signal) {
  const now = await fetchJson("settings", { signal });
  const inputs = KEPT.map(([name]) => h("input", { type: "number", min: "0", step: "any",
    required: true, class: "narrow", value: String(now[name]) }));
  const values = () => Object.fromEntries(
    KEPT.map(([name], place) => [name, Number(inputs[place].value)]));
  const show = (settings) => KEPT.forEach(([name], place) => {
    inputs[place].value = String(settings[name]);
  });
  const history = historyPanel("settings", signal, async (load) => {
    const text = "The latest change of what is kept is undone. What was deleted stays deleted.";
    if (!await askToConfirm("Roll back?", text, "Roll back")) return;
    await attempt(async () => {
      await fetchJson("settings/rollback", { method: "POST" });
      show(await fetchJson("settings"));
      await load();
    });
  });
  const save = h("button", { class: "main" }, "Save");
  const form = h("form", { class: "card pad stack", "aria-labelledby": "kept-title" },
    h("h2", { id: "kept-title" }, "What is kept"),
    KEPT.map(([, label, help], place) => field(label, inputs[place], help)),
    h("div", {}, save));
  form.addEventListener("submit", busy(save, () => attempt(async () => {
    show(await fetchJson("settings", { method: "PUT", body: values() }));
    await history.load();
    showNotice("Saved. What is too much is deleted within the hour.");
  })));
  return h("div", { class: "two" }, form, history.element);
}
