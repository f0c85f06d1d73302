// What is known of the server now, and who wants to hear of changes.

import { ask } from "./api.js";
import { setClock, setZone } from "./words.js";

const changes = new EventTarget();

export const store = { info: null, cameras: new Map(), online: true, open: null };

// Names: "cameras" (the list), "status" (each second), "event" (any phase), "changed", "online".
export function on(name, told, signal) {
  changes.addEventListener(name, (event) => told(event.detail), { signal });
}

export function tell(name, detail) {
  changes.dispatchEvent(new CustomEvent(name, { detail }));
}

export async function loadInfo() {
  store.info = await ask("info");
  setZone(store.info.time_zone);
  setClock(store.info.now_us);
  return store.info;
}

export async function loadCameras() {
  const { cameras } = await ask("cameras");
  store.cameras = new Map(cameras.map((one) => [one.name, one]));
  tell("cameras");
  return store.cameras;
}

// A camera's recent scores go on with each second's status.
export function takeStatus(told) {
  for (const one of told.cameras) {
    const known = store.cameras.get(one.name);
    if (!known) continue;
    known.state = { ...known.state, phase: one.phase, rate_fps: one.rate_fps, dropped: one.dropped };
    if (one.error !== undefined) known.state.error = one.error;
    known.score = one.score;
    known.open_event = one.open_event;
    known.recent = [...(known.recent ?? []), one.score].slice(-60);
  }
  tell("status", told);
}

export function takeEvent(event) {
  const known = store.cameras.get(event.camera);
  if (known) known.last_event = event;
  tell("event", event);
}
