// Listens to what the server sends, and connects again, with growing pauses, when that stops.

import { fetchJson, ROOT } from "./api.js";
import { applyEvent, applyStatus, loadCameras, loadInfo, publish, store } from "./store.js";

// The server sends a status each second, so this much silence means that the connection is gone.
const SILENCE_MS = 8000;
const FIRST_PAUSE_MS = 500, LONGEST_PAUSE_MS = 10000;

let source = null, retryTimer = null, silenceTimer = null, pauseMs = FIRST_PAUSE_MS;
let stopped = true;

function setOnline(online) {
  if (store.online === online) return;
  store.online = online;
  publish("online", online);
}

function restartSilenceTimer() {
  clearTimeout(silenceTimer);
  silenceTimer = setTimeout(reconnect, SILENCE_MS);
}

function connect() {
  source = new EventSource(new URL("stream", ROOT));
  const listen = (name, handle) => source.addEventListener(name, (message) => {
    restartSilenceTimer();
    handle(JSON.parse(message.data));
  });
  source.addEventListener("open", () => {
    restartSilenceTimer();
    if (!store.online) loadCameras().catch(() => {});
    pauseMs = FIRST_PAUSE_MS;
    setOnline(true);
  });
  listen("status", applyStatus);
  listen("event", applyEvent);
  listen("changed", (change) => applyChange(change).catch(() => {}));
  source.addEventListener("error", reconnect);
}

// Somebody may have judged an event in another browser: only what has changed is asked for.
async function applyChange(change) {
  if (change.what === "review") applyEvent(await fetchJson(`events/${change.row}`));
  else if (change.what !== "reviews") await loadCameras();
  publish("changed", change);
}

const whoIs = ({ name, role, cameras }) => JSON.stringify([name, role, cameras]);

// The browser's own retries do not say why they fail, and a user who was signed out would wait for
// ever. So each retry asks for the server's info first, and for the stream only then.
function reconnect() {
  source?.close();
  clearTimeout(retryTimer);
  clearTimeout(silenceTimer);
  if (stopped) return;
  retryTimer = setTimeout(async () => {
    try {
      const before = store.info, info = await loadInfo();
      // Somebody has changed what this account may do: all that is shown may be another.
      if (info.signed_in && before?.signed_in && whoIs(info) !== whoIs(before)) location.reload();
      if (info.auth_required && !info.signed_in) {
        document.dispatchEvent(new Event("signed-out"));
        return;
      }
      if (!stopped) connect();
    } catch {
      setOnline(false);
      reconnect();
    }
  }, pauseMs);
  pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
}

export function startUpdates() {
  if (!stopped) return;
  stopped = false;
  connect();
}

export function stopUpdates() {
  stopped = true;
  source?.close();
  clearTimeout(retryTimer);
  clearTimeout(silenceTimer);
}
