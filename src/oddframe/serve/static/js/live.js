// Server-sent events, and what to do when they stop: try again, and say so.

import { ask, ROOT } from "./api.js";
import { loadCameras, loadInfo, store, takeEvent, takeStatus, tell } from "./store.js";

const SILENT_MS = 8000, FIRST_MS = 500, MOST_MS = 10000;

let source = null, timer = null, watchdog = null, pause = FIRST_MS, stopped = true;

function setOnline(online) {
  if (store.online === online) return;
  store.online = online;
  tell("online", online);
}

function heard() {
  clearTimeout(watchdog);
  watchdog = setTimeout(again, SILENT_MS);
}

function open() {
  source = new EventSource(new URL("stream", ROOT));
  source.addEventListener("open", () => {
    heard();
    if (!store.online) loadCameras().catch(() => {});
    pause = FIRST_MS;
    setOnline(true);
  });
  source.addEventListener("status", (event) => { heard(); takeStatus(JSON.parse(event.data)); });
  source.addEventListener("event", (event) => { heard(); takeEvent(JSON.parse(event.data)); });
  source.addEventListener("changed", (event) => {
    heard();
    takeChange(JSON.parse(event.data)).catch(() => {});
  });
  source.addEventListener("error", again);
}

// Somebody may have judged an event in another browser; only what has changed is asked for.
async function takeChange(told) {
  if (told.what === "review") takeEvent(await ask(`events/${told.row}`));
  else await loadCameras();
  tell("changed", told);
}

// The browser's own retries say nothing of the reason: who is signed out must not wait for ever.
function again() {
  source?.close();
  clearTimeout(timer);
  clearTimeout(watchdog);
  if (stopped) return;
  timer = setTimeout(async () => {
    try {
      const info = await loadInfo();
      if (info.auth_required && !info.signed_in) { document.dispatchEvent(new Event("signed-out")); return; }
      if (!stopped) open();
    } catch {
      setOnline(false);
      again();
    }
  }, pause);
  pause = Math.min(MOST_MS, pause * 2);
}

export function start() {
  if (!stopped) return;
  stopped = false;
  open();
}

export function stop() {
  stopped = true;
  source?.close();
  clearTimeout(timer);
  clearTimeout(watchdog);
}
