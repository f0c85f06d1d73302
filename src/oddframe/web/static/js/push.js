// Notifications of this browser: switched on and off, and what is missing where they cannot be.

import { fetchJson } from "./api.js";
import { busy, h, setText } from "./dom.js";
import { icon } from "./icons.js";
import { attempt, showIn, showNotice } from "./notices.js";

const WORKER = "sw.js";

// Bytes of a key in base64url.
function bytesOf(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

// Why this browser cannot be told of anything here, or "" where it can.
function whyNot(publicKey) {
  if (!isSecureContext) {
    return "Browsers allow notifications, and installing this app, with HTTPS only. Start the "
      + "server with --certificate, or put a proxy with HTTPS in front of it.";
  }
  if (!("serviceWorker" in navigator && "PushManager" in window)) {
    return "This browser knows no notifications of this kind. On an iPhone, put the app on the "
      + "home screen first.";
  }
  return publicKey ? "" : "The server needs the extra push for notifications: "
    + "pip install 'oddframe[push]'.";
}

async function subscribe(publicKey) {
  if (await Notification.requestPermission() !== "granted") {
    throw new Error("The browser was told to show no notifications of this page. Its settings of "
      + "the page can change that.");
  }
  await navigator.serviceWorker.register(WORKER);
  const { pushManager } = await navigator.serviceWorker.ready;
  const subscription = await pushManager.subscribe(
    { userVisibleOnly: true, applicationServerKey: bytesOf(publicKey) });
  const { endpoint, keys } = subscription.toJSON();
  await fetchJson("push", { method: "POST", body: { endpoint, keys } });
}

async function currentSubscription() {
  const registration = await navigator.serviceWorker.getRegistration(WORKER);
  return await registration?.pushManager.getSubscription() ?? null;
}

async function unsubscribe() {
  const subscription = await currentSubscription();
  if (!subscription) return;
  await fetchJson("push", { method: "DELETE", body: { endpoint: subscription.endpoint } });
  await subscription.unsubscribe();
}

export function pushPanel(signal) {
  const text = h("p", { role: "status" }, "Loading …");
  const button = h("button", { type: "button", class: "main", hidden: true });
  let publicKey = null, isOn = false;

  async function load() {
    ({ public_key: publicKey } = await fetchJson("push", { signal }));
    const missing = whyNot(publicKey);
    isOn = !missing && await currentSubscription() !== null;
    button.hidden = Boolean(missing);
    button.replaceChildren(icon("alarm"),
      isOn ? "Switch off in this browser" : "Switch on in this browser");
    button.classList.toggle("main", !isOn);
    setText(text, missing || (isOn
      ? "This browser is told of alerts, also while the app is closed."
      : "This browser can tell you of alerts, also while the app is closed. What it is told is "
        + "encrypted on the way."));
  }

  button.addEventListener("click", busy(button, () => attempt(async () => {
    if (isOn) await unsubscribe();
    else await subscribe(publicKey);
    await load();
    showNotice(`Notifications of this browser are ${isOn ? "on" : "off"}.`);
  })));
  const body = h("div", { class: "stack tight" }, text, h("div", {}, button));
  load().catch((error) => showIn(body, error, signal));
  return h("section", { class: "card pad stack tight", "aria-labelledby": "push-title" },
    h("h2", { id: "push-title" }, "Notifications"), body);
}
