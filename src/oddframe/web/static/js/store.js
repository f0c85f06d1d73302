// What is known of the server now, and who is informed when it changes.

import { setServerTime, setTimeZone } from "../shared/format.js";
import { fetchJson } from "./api.js";

const RECENT_SCORES = 60;

const changes = new EventTarget();

export const store = { info: null, cameras: new Map(), online: true };

// Names of changes: "cameras" (the list), "status" (each second), "event" (it began, went on,
// ended or was judged), "changed" (something else on the server), "online" (true or false).
export function subscribe(name, listener, signal) {
  changes.addEventListener(name, (event) => listener(event.detail), { signal });
}

export function publish(name, detail) {
  changes.dispatchEvent(new CustomEvent(name, { detail }));
}

export async function loadInfo() {
  store.info = await fetchJson("info");
  setTimeZone(store.info.time_zone);
  setServerTime(store.info.now_us);
  return store.info;
}

let loading = Promise.resolve();

// Resolves once the cameras are there that were asked for last.
export const camerasLoaded = () => loading;

// `asked` is the answer that was asked for already, where there is one.
export function loadCameras(asked = fetchJson("cameras")) {
  loading = takeCameras(asked);
  return loading;
}

async function takeCameras(asked) {
  const { cameras } = await asked;
  store.cameras = new Map(cameras.map((camera) => [camera.name, camera]));
  publish("cameras");
  return store.cameras;
}

// Takes over each second's status, and adds its score to the camera's recent ones.
export function applyStatus(status) {
  for (const update of status.cameras) {
    const camera = store.cameras.get(update.name);
    if (!camera) continue;
    const { phase, rate_fps, dropped, error, notice, silent_s, retry_s } = update;
    camera.state = { ...camera.state, phase, rate_fps, dropped, error, notice, silent_s, retry_s };
    camera.unusual = update.unusual;
    camera.fault = update.fault;
    camera.score = update.score;
    camera.open_event = update.open_event;
    camera.recent = [...(camera.recent ?? []), update.score].slice(-RECENT_SCORES);
  }
  publish("status", status);
}

export function applyEvent(event) {
  const camera = store.cameras.get(event.camera);
  if (camera) camera.last_event = event;
  publish("event", event);
}
