// Where alerts go: receivers that are set here, and those of the file. Passwords, keys and
// addresses that hold them are sent to the server and never come back.

import { capitalize } from "../shared/format.js";
import { fetchJson } from "./api.js";
import { busy, field, h } from "./dom.js";
import { testButton } from "./health.js";
import { icon } from "./icons.js";
import { askToConfirm, askUntilDone, attempt, showIn, showNotice } from "./notices.js";
import { store } from "./store.js";

// The settings of each kind that are asked for: [key, label, help, properties of the input].
const KINDS = {
  apprise: { text: "Mail, chat or phone", settings: [
    ["urls", "Addresses, one in each line", "Such as mailto://user:password@example.org or "
      + "ntfy://ntfy.sh/topic; the page of apprise lists all services."],
    ["template", "Text", "$text, $link, $source, $reason and others stand for the event's values.",
      { placeholder: "$text" }]] },
  webhook: { text: "Webhook", settings: [
    ["url", "Address", "An https:// address that takes a POST."],
    ["template", "Body", "Empty: the whole message as JSON.",
      { placeholder: "{\"text\": \"$text\"}" }]] },
  mqtt: { text: "MQTT, Home Assistant", settings: [
    ["host", "Broker", null, { placeholder: "10.0.0.2", required: true }],
    ["port", "Port", null, { type: "number", min: "1", max: "65535", placeholder: "1883" }],
    ["username", "User name"], ["password", "Password", null, { type: "password" }]] },
};
const NUMBERS = ["port", "min_score", "digest_s", "unseen_minutes"];

const pathOf = (name, part = "") => `sinks/${encodeURIComponent(name)}${part}`;

// What a receiver is told, in a few words.
function rulesText({ rules = {} }) {
  const parts = [];
  if (rules.cameras?.length) parts.push(rules.cameras.join(", "));
  if (rules.reasons?.length) parts.push(rules.reasons.join(", "));
  if (rules.min_score) parts.push(`score ${rules.min_score} or more`);
  if (rules.hours?.length) parts.push(rules.hours.join(", "));
  if (rules.unseen_minutes) parts.push(`if nobody looks for ${rules.unseen_minutes} minutes`);
  return parts.join(" · ") || "all alerts";
}

// The rules of a receiver as fields: {element, value()}.
function ruleFields(rules = {}) {
  const boxes = [...new Set([...store.cameras.keys(), ...(rules.cameras ?? [])])].map((name) =>
    h("input", { type: "checkbox", value: name, checked: rules.cameras?.includes(name) ?? false }));
  const number = (key, properties) => h("input", { type: "number", value: rules[key] ?? "",
    data: { key }, ...properties });
  const score = number("min_score", { min: "0", max: "1", step: "0.01", placeholder: "0" });
  const unseen = number("unseen_minutes",
    { min: "0", max: "10080", step: "any", placeholder: "0" });
  const digest = number("digest_s", { min: "0", max: "86400", step: "1", placeholder: "default" });
  const element = h("details", {}, h("summary", {}, "Which alerts"),
    h("div", { class: "stack" },
      h("div", { class: "field" }, h("span", { class: "label" }, "Cameras (none: all)"),
        h("div", { class: "row" }, boxes.map((box) =>
          h("label", { class: "check" }, box, box.value)))),
      field("Lowest score", score),
      field("Only if nobody looks for so many minutes", unseen,
        "An event that is opened or judged in time is not told here."),
      field("Like events together, within so many seconds", digest)));
  const value = () => {
    const cameras = boxes.filter((box) => box.checked).map((box) => box.value);
    const given = { ...rules, cameras };
    for (const input of [score, unseen, digest]) {
      given[input.dataset.key] = input.value === "" ? null : Number(input.value);
    }
    return Object.fromEntries(Object.entries(given).filter(([, one]) =>
      one !== null && !(Array.isArray(one) && !one.length)));
  };
  return { element, value };
}

// The kinds that are set in cameras.toml alone are named, too.
const OTHER_KINDS = { json_lines: "JSON lines", frigate: "Frigate" };

const kindText = (kind) => KINDS[kind]?.text ?? OTHER_KINDS[kind] ?? kind;

// The settings of a kind as fields: {element, value()}; only what was changed is sent.
function settingFields(kind, sink) {
  const inputs = KINDS[kind].settings.map(([key, label, help, properties = {}]) => {
    const isSecret = sink?.secret_names.includes(key) ?? false;
    const isSet = sink?.secrets.includes(key) ?? false;
    const before = isSecret ? "" : String(sink?.values[key] ?? "");
    const { required, placeholder, ...more } = properties;
    const shown = { autocomplete: "off", spellcheck: "false", ...more,
      placeholder: isSet ? "set; leave empty to keep it" : placeholder };
    const isLong = ["urls", "template"].includes(key);
    const input = isLong ? h("textarea", { rows: "2", ...shown }, before)
      : h("input", { ...shown, value: before, required: required && !isSet });
    return { key, input, before, element: field(label, input, help) };
  });
  const value = () => Object.fromEntries(inputs
    .filter(({ input, before }) => input.value !== before)
    .map(({ key, input }) => [key, parse(key, input.value)]));
  return { element: h("div", { class: "stack" }, inputs.map(({ element }) => element)), value };
}

function parse(key, text) {
  if (text.trim() === "") return null;
  if (key === "urls") return text.split("\n").map((line) => line.trim()).filter(Boolean);
  return NUMBERS.includes(key) ? Number(text) : text;
}

// Asks for a receiver; `sink` is null for a new one. `put(name, body)` is called with the answer.
function askSink(sink, put) {
  const name = h("input", { type: "text", required: true, maxlength: "40", autocomplete: "off",
    pattern: "[A-Za-z0-9][A-Za-z0-9_\\-]*", placeholder: "team" });
  const kind = h("select", {}, Object.entries(KINDS).map(([value, { text }]) =>
    h("option", { value }, text)));
  if (sink) kind.value = sink.kind;
  const place = h("div", {});
  let settings = null;
  const rules = ruleFields(sink?.values.rules);
  const draw = () => {
    settings = settingFields(kind.value, sink);
    place.replaceChildren(settings.element);
  };
  kind.addEventListener("change", draw);
  draw();
  const content = h("div", { class: "stack" },
    !sink && field("Name", name), !sink && field("Kind", kind), place, rules.element);
  return askUntilDone(sink ? `Change ${sink.name}` : "Add a receiver", content, "Save", () => {
    const values = { ...settings.value(), rules: rules.value() };
    if (!Object.keys(values.rules).length) values.rules = null;
    return put(sink?.name ?? name.value, { kind: kind.value, values });
  });
}

export function sinksPanel(signal) {
  const body = h("div", {});
  const add = h("button", { type: "button", class: "main" }, icon("plus"), "Add a receiver");
  async function load() {
    const { sinks, describe, describe_notice: notice, describe_error: problem } =
      await fetchJson("sinks", { signal });
    const none = h("p", { class: "pad soft" }, "Alerts are shown here only. Add a receiver to get "
      + "them by mail, chat, phone or MQTT.");
    body.replaceChildren(sinks.length ? table(sinks) : none,
      ...[describe && h("p", { class: "small pad-foot" }, `Events are described by ${describe}.`,
        problem && ` ${capitalize(problem)}.`),
        notice && h("div", { class: "pad-foot" },
          h("p", { class: "callout warn small" }, `Beware: ${notice}.`))].filter(Boolean));
  }
  const ask = async (sink) => {
    const isDone = await askSink(sink, async (name, given) => {
      await fetchJson(pathOf(name), { method: "PUT", body: given });
      showNotice(`Alerts go to ${name} from now on.`);
    });
    if (isDone) await attempt(load);
  };
  const remove = async ({ name }) => {
    const text = "No alert goes there any more. What waits for it is dropped.";
    if (!await askToConfirm(`Remove ${name}?`, text, "Remove")) return;
    await attempt(async () => {
      await fetchJson(pathOf(name), { method: "DELETE" });
      await load();
    });
  };
  const button = (text, sink, run) => {
    const made = h("button", { type: "button", "aria-label": `${text} ${sink.name}` }, text);
    made.addEventListener("click", busy(made, () => run(sink)));
    return made;
  };
  const state = ({ error, waiting }) => (error
    ? [h("span", { class: "tag warn" }, icon("stalled"), "problem"), " ", error]
    : [h("span", { class: "tag good" }, icon("check"), "works"),
      waiting > 1 && ` ${waiting} wait`]);
  const table = (sinks) => h("div", { class: "scroll" }, h("table", { class: "cards" },
    h("thead", {}, h("tr", {}, ["Receiver", "Kind", "Is told", "State", ""].map((text) =>
      h("th", { scope: "col" }, text)))),
    h("tbody", {}, sinks.map((sink) => h("tr", {},
      h("th", { scope: "row" }, sink.name), h("td", {}, kindText(sink.kind)),
      h("td", {}, rulesText(sink.values)), h("td", {}, state(sink)),
      h("td", {}, h("div", { class: "row end" }, sink.testable && testButton(sink.name),
        sink.editable && button("Change", sink, ask), button("Remove", sink, remove))))))));
  add.addEventListener("click", busy(add, () => ask(null)));
  load().catch((error) => showIn(body, error, signal));
  return h("section", { class: "card", "aria-labelledby": "receivers-title" },
    h("div", { class: "row apart pad-head" },
      h("div", {}, h("h2", { id: "receivers-title" }, "Where alerts go"),
        h("p", { class: "soft small" }, "Written to cameras.toml. Addresses, keys and passwords "
          + "can be set here, and are never shown again.")),
      add), body);
}
