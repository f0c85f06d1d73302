// Numbers, times and states as people say them. Times are microseconds since 1970 UTC, shown in the server's time zone.

export const SECOND = 1e6, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;

let zone;
const formats = new Map();

export function setZone(name) {
  try { new Intl.DateTimeFormat("en-GB", { timeZone: name }); zone = name; } catch { zone = undefined; }
  formats.clear();
}

function format(options) {
  const key = JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...options }));
  return formats.get(key);
}

const date = (us) => new Date(us / 1000);
export const clock = (us) => format({ hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(date(us));
export const minutes = (us) => format({ hour: "2-digit", minute: "2-digit" }).format(date(us));
export const shortDay = (us) => format({ day: "numeric", month: "short" }).format(date(us));
export const longDay = (us) => format({ weekday: "long", day: "numeric", month: "long", year: "numeric" }).format(date(us));

let skew = 0;

// The server's time; a browser's clock that is about right is taken as it is.
export function setClock(us) {
  const off = us - Date.now() * 1000;
  skew = Math.abs(off) > 2 * SECOND ? off : 0;
}

export function now() { return Date.now() * 1000 + skew; }

// How far the zone's clock is ahead of UTC at a time.
function ahead(us) {
  const parts = Object.fromEntries(format({ year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit",
    second: "2-digit" })
    .formatToParts(date(us)).map((part) => [part.type, Number(part.value)]));
  const there = Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second) * 1000;
  return there - Math.floor(us / SECOND) * SECOND;
}

// Midnight before a time, in the zone; twice, since clocks may change on that day.
export function startOfDay(us) {
  const local = us + ahead(us);
  const midnight = Math.floor(local / DAY) * DAY;
  return midnight - ahead(midnight - ahead(us));
}

// "2026-07-01" in the zone, and back.
export function dayKey(us) { return new Date((us + ahead(us)) / 1000).toISOString().slice(0, 10); }

export function fromDayKey(key) {
  const middle = Date.parse(`${key}T12:00:00Z`) * 1000;
  return Number.isNaN(middle) ? null : startOfDay(middle - ahead(middle));
}

export function moment(us) {
  const days = Math.round((startOfDay(now()) - startOfDay(us)) / DAY);
  const day = days === 0 ? "today" : days === 1 ? "yesterday"
    : format({ weekday: "short", day: "numeric", month: "short" }).format(date(us));
  return `${day} ${clock(us)}`;
}

export function length(seconds) {
  if (seconds < 1) return "under 1 s";
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`.replace(" 0 s", "");
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`.replace(" 0 min", "");
  return `${Math.floor(seconds / 86400)} d ${Math.round((seconds % 86400) / 3600)} h`.replace(" 0 h", "");
}

export const count = (number, one, many = `${one}s`) => `${number === 0 ? "no" : number.toLocaleString("en")} ${number === 1 ? one : many}`;
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
export const score = (value) => (value === null || value === undefined ? "–" : value.toFixed(2));
export const raw = (value) => (value === null || value === undefined ? "–" : value < 0.001 ? value.toExponential(2) : value.toPrecision(3));
// Reasons of camera faults are sentences; as a title they stand without the full stop.
export const reason = (event) => capital(event.reason).replace(/\.$/, "");
export const size = (gigabytes) => (gigabytes < 1 ? `${Math.round(gigabytes * 1000)} MB`
  : `${gigabytes.toFixed(gigabytes < 10 ? 1 : 0)} GB`);

// As the report says it: from -log10 of the share of normal frames that reach as far.
export function rarity(surprise) {
  if (surprise >= 6) return "beyond 1 in a million";
  const odds = 10 ** surprise;
  if (odds < 2) return "as usual";
  const digits = 10 ** Math.max(0, String(Math.floor(odds)).length - 2);
  return `1 in ${(Math.round(odds / digits) * digits).toLocaleString("en")}`;
}

// "2/day" as people say it: "2 false alarms per day".
export function budget(text) {
  const found = /^([\d.]+)\s*\/\s*(\w+)$/.exec(text ?? "");
  return found ? `${found[1]} false alarm${found[1] === "1" ? "" : "s"} per ${found[2]}` : text ?? "the model's own budget";
}

const PHASES = {
  connecting: ["connecting", "connecting", "calm"],
  live: ["live", "live", "good"],
  stalled: ["no picture", "stalled", "warn"],
  waiting: ["tries again", "waiting", "warn"],
  ended: ["ended", "ended", ""],
  failed: ["failed", "failed", "alarm"],
};

// A state's word, symbol and colour.
export function phase(name) {
  const [word, symbol, colour] = PHASES[name] ?? [name ?? "unknown", "unsure", ""];
  return { word, symbol, colour };
}

export const VERDICTS = {
  normal: ["Normal", "check", "calm"],
  important: ["Important", "important", "alarm"],
  unsure: ["Unsure", "unsure", "warn"],
};
