// Who may use the app: accounts with a role and cameras, and the log of what was changed.

import { dayAndTime } from "../shared/format.js";
import { fetchJson } from "./api.js";
import { busy, field, h } from "./dom.js";
import { icon } from "./icons.js";
import { askToConfirm, askUntilDone, attempt, showDialog, showIn } from "./notices.js";
import { store, subscribe } from "./store.js";

const ROLES = {
  viewer: "viewer: sees",
  operator: "operator: also judges events",
  admin: "admin: also changes cameras, models and accounts",
};

const MOST_NAMED = 3;
const LOG_LINES = 100, LOG_MS = 1000;

const pathOf = (name, part = "") => `accounts/${encodeURIComponent(name)}${part}`;

// "yard, door and 3 more", or "all cameras"
function camerasText(cameras) {
  if (cameras === null) return "all cameras";
  const named = cameras.slice(0, MOST_NAMED).join(", ");
  const more = cameras.length - MOST_NAMED;
  return more > 0 ? `${named} and ${more} more` : named || "no camera";
}

function endText({ ended, until_us }) {
  if (until_us === null) return "never";
  return ended ? "has ended" : dayAndTime(until_us);
}

// The questions about an account: {element, value()}. `account` is null for a new one.
function accountFields(account) {
  const name = h("input", { type: "text", required: true, maxlength: "80", autocomplete: "off",
    spellcheck: "false", pattern: "[a-z0-9][a-z0-9._@+\\-]{0,79}", placeholder: "anna" });
  const role = h("select", {}, Object.entries(ROLES).map(([value, text]) =>
    h("option", { value }, text)));
  role.value = account?.role ?? "viewer";
  const known = new Set([...store.cameras.keys(), ...(account?.cameras ?? [])]);
  const all = h("input", { type: "checkbox", checked: (account?.cameras ?? null) === null });
  const boxes = [...known].map((camera) => h("input", { type: "checkbox", value: camera,
    checked: account?.cameras?.includes(camera) ?? false }));
  const list = h("div", { class: "row", role: "group", "aria-label": "Cameras" },
    boxes.map((box) => h("label", { class: "check" }, box, box.value)));
  const days = h("input", { type: "number", min: "1", max: "36500", step: "1",
    placeholder: "never" });
  const camerasPart = h("div", { class: "field" }, h("span", { class: "label" }, "Cameras"),
    h("label", { class: "check" }, all, "All cameras"), list);
  const update = () => {
    camerasPart.hidden = role.value === "admin";
    list.hidden = all.checked;
  };
  role.addEventListener("change", update);
  all.addEventListener("change", update);
  update();
  const value = () => {
    const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
    const seesAll = role.value === "admin" || all.checked;
    return { ...(account ? {} : { name: name.value.trim() }), role: role.value,
      cameras: seesAll ? null : chosen, ...(days.value && { days: Number(days.value) }) };
  };
  const element = h("div", { class: "stack" },
    !account && field("Name", name, "Small letters and digits, or an address of mail."),
    field("Role", role), camerasPart,
    field(account ? "Ends in so many days from now (empty: as it is)" : "Ends in so many days",
      days));
  return { element, value };
}

// Shows a token, which nobody can be shown again.
async function showToken(name, token) {
  const box = h("input", { readonly: true, value: token, "aria-label": "Token", class: "token" });
  box.addEventListener("focus", () => box.select());
  await showDialog(`The token of ${name}`, h("div", { class: "stack" },
    h("p", {}, "Copy it now: it is not stored, and nobody can show it again. People sign in with "
      + "it, programs send it."), box));
}

export function accountsPanel(signal) {
  const body = h("div", {});
  const add = h("button", { type: "button", class: "main" }, icon("plus"), "Add an account");
  async function load() {
    const { accounts, own_token: ownToken, by_proxy: byProxy } =
      await fetchJson("accounts", { signal });
    body.replaceChildren(accounts.length ? table(accounts) : none(ownToken), ...otherWays(
      accounts.length > 0 && ownToken, byProxy));
  }
  const change = (work) => attempt(async () => {
    await work();
    await load();
  });
  const button = (text, name, run) => {
    const made = h("button", { type: "button", "aria-label": `${text}: ${name}` }, text);
    made.addEventListener("click", busy(made, run));
    return made;
  };
  const buttons = (account) => [
    button("Change", account.name, async () => {
      const fields = accountFields(account);
      const isDone = await askUntilDone(`Change ${account.name}`, fields.element, "Save", () =>
        fetchJson(pathOf(account.name), { method: "PUT", body: fields.value() }));
      if (isDone) await attempt(load);
    }),
    button("New token", account.name, async () => {
      const text = "Who is signed in with the old token is signed out.";
      if (!await askToConfirm(`A new token for ${account.name}?`, text, "Make it")) return;
      await change(async () => {
        const made = await fetchJson(pathOf(account.name, "/token"), { method: "POST" });
        await showToken(account.name, made.token);
      });
    }),
    button("End", account.name, async () => {
      const text = "Its token opens nothing any more. Its verdicts keep its name.";
      if (!await askToConfirm(`End the account ${account.name}?`, text, "End it")) return;
      await change(() => fetchJson(pathOf(account.name), { method: "DELETE" }));
    }),
  ];
  const table = (accounts) => h("div", { class: "scroll" }, h("table", { class: "cards" },
    h("thead", {}, h("tr", {}, ["Name", "Role", "Sees", "Ends", ""].map((text) =>
      h("th", { scope: "col" }, text)))),
    h("tbody", {}, accounts.map((account) => h("tr", {},
      h("th", { scope: "row" }, account.name), h("td", {}, account.role),
      h("td", {}, camerasText(account.cameras)), h("td", {}, endText(account)),
      h("td", {}, h("div", { class: "row end" }, buttons(account))))))));
  add.addEventListener("click", busy(add, async () => {
    const fields = accountFields(null);
    let made = null;
    await askUntilDone("Add an account", fields.element, "Make the account", async () => {
      made = await fetchJson("accounts", { method: "POST", body: fields.value() });
    });
    if (!made) return;
    await showToken(made.account.name, made.token);
    // After the first account this one has to sign in, which the page then asks for.
    await attempt(load);
  }));
  load().catch((error) => showIn(body, error, signal));
  return h("section", { class: "card", "aria-labelledby": "accounts-title" },
    h("div", { class: "row apart pad-head" },
      h("div", {}, h("h2", { id: "accounts-title" }, "Accounts"),
        h("p", { class: "soft small" }, "A person or a program each, with a token of its own.")),
      add), body);
}

const none = (ownToken) => h("p", { class: "pad soft" }, ownToken
  ? "There is no account yet: everybody uses the one token of the server."
  : "There is no account yet, and nobody has to sign in. The first account must be an admin. From "
    + "then on everybody has to sign in.");

function otherWays(hasOwnToken, byProxy) {
  const texts = [];
  if (hasOwnToken) texts.push("The token of the server, without a name, may do everything.");
  if (byProxy) texts.push("A proxy signs people in; their accounts have the names that it gives.");
  return texts.map((text) => h("p", { class: "soft small pad-foot" }, text));
}

// What was changed, by whom and when.
export function changesPanel(signal) {
  const body = h("div", {});
  async function load() {
    const { changes } = await fetchJson(`changes?limit=${LOG_LINES}`, { signal });
    const row = (change) => h("tr", {},
      h("td", {}, dayAndTime(Date.parse(change.at) * 1000)),
      h("td", {}, change.by || "–"),
      h("td", {}, change.text,
        change.status >= 400 && h("span", { class: "tag warn" }, `refused (${change.status})`)));
    body.replaceChildren(changes.length ? h("div", { class: "scroll log", tabindex: "0",
      role: "region", "aria-label": "Log of changes" }, h("table", {},
      h("thead", {}, h("tr", {}, ["When", "Who", "What"].map((text) =>
        h("th", { scope: "col" }, text)))),
      h("tbody", {}, changes.map(row))))
      : h("p", { class: "pad soft" }, "Nothing was changed yet."));
  }
  load().catch((error) => showIn(body, error, signal));
  // The log has a change a moment after everybody was told of it.
  let timer = null;
  subscribe("changed", () => {
    clearTimeout(timer);
    timer = setTimeout(() => { if (!signal.aborted) load().catch(() => {}); }, LOG_MS);
  }, signal);
  return h("section", { class: "card", "aria-labelledby": "changes-title" },
    h("div", { class: "pad-head" }, h("h2", { id: "changes-title" }, "Log"),
      h("p", { class: "soft small" }, "Who changed what. Changes of a camera's model and threshold "
        + "are on its page, where they can be undone.")), body);
}
