// Numbers and times as people write them, for the app and for the reports.
//
// Names that end in _us, and DAY, HOUR and so on, are microseconds since 1970 UTC. The app shows
// them in the time zone of the server, since that is where the cameras are.

export const SECOND = 1e6;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

let timeZone;
const dateFormats = new Map();

// Dates are shown in this zone from now on; an unknown name leaves the browser's own zone.
export function setTimeZone(name) {
  try {
    new Intl.DateTimeFormat("en-GB", { timeZone: name });
    timeZone = name;
  } catch {
    timeZone = undefined;
  }
  dateFormats.clear();
}

// Making a DateTimeFormat is slow, and an axis needs many dates: each form is made once.
function dateFormat(options) {
  const key = JSON.stringify(options);
  if (!dateFormats.has(key)) {
    dateFormats.set(key, new Intl.DateTimeFormat("en-GB",
      { timeZone, hourCycle: "h23", ...options }));
  }
  return dateFormats.get(key);
}

const asDate = (us) => new Date(us / 1000);
const HOUR_MINUTE = { hour: "2-digit", minute: "2-digit" };
const HOUR_MINUTE_SECOND = { ...HOUR_MINUTE, second: "2-digit" };

const DAY_AND_MONTH = { day: "numeric", month: "short" };
const YEAR = { year: "numeric" };
const WHOLE_DAY = { weekday: "short", ...DAY_AND_MONTH, ...YEAR };

// September is "Sept" to browsers alone: here it has three letters, as in what the server writes.
const dateText = (options, us) =>
  dateFormat(options).format(asDate(us)).replace("Sept", "Sep");

// There is one form of a date, "Tue, 24 Nov 2026", of which a part is left out where it is known.
export const timeOfDay = (us) => dateText(HOUR_MINUTE_SECOND, us);
export const hourAndMinute = (us) => dateText(HOUR_MINUTE, us);
export const shortDay = (us) => dateText(DAY_AND_MONTH, us);
export const shortDate = (us) => dateText({ ...DAY_AND_MONTH, ...YEAR }, us);
export const longDay = (us) => dateText(WHOLE_DAY, us);

let serverAheadUs = 0;

// Takes the server's time. A difference of up to two seconds is only the way of the answer.
export function setServerTime(us) {
  const aheadUs = us - Date.now() * 1000;
  serverAheadUs = Math.abs(aheadUs) > 2 * SECOND ? aheadUs : 0;
}

export function now() { return Date.now() * 1000 + serverAheadUs; }

// How far the zone's clock is ahead of UTC at a time.
function zoneOffset(us) {
  const options = { year: "numeric", month: "2-digit", day: "2-digit", ...HOUR_MINUTE_SECOND };
  const parts = Object.fromEntries(dateFormat(options).formatToParts(asDate(us))
    .map((part) => [part.type, Number(part.value)]));
  const local = Date.UTC(parts.year, parts.month - 1, parts.day,
    parts.hour, parts.minute, parts.second) * 1000;
  return local - Math.floor(us / SECOND) * SECOND;
}

// Midnight before a time, in the zone. The offset is taken twice, since clocks may change that day.
export function startOfDay(us) {
  const local = us + zoneOffset(us);
  const midnight = Math.floor(local / DAY) * DAY;
  return midnight - zoneOffset(midnight - zoneOffset(us));
}

// The value of a date field, "2026-07-01", for a time, and the start of that day for such a value.
export function dayKey(us) {
  return new Date((us + zoneOffset(us)) / 1000).toISOString().slice(0, 10);
}

export function fromDayKey(key) {
  const noon = Date.parse(`${key}T12:00:00Z`) * 1000;
  return Number.isNaN(noon) ? null : startOfDay(noon - zoneOffset(noon));
}

// The same for a field of date and time, "2026-07-01T22:00".
export function timeKey(us) {
  return new Date((us + zoneOffset(us)) / 1000).toISOString().slice(0, 16);
}

export function fromTimeKey(key) {
  const local = Date.parse(`${key}Z`) * 1000;
  if (Number.isNaN(local)) return null;
  return local - zoneOffset(local - zoneOffset(local));
}

// "today 08:13:24", "Tue, 24 Nov 08:13:24"; of another year "Tue, 24 Nov 2026 08:13:24"
export function dayAndTime(us, formatTime = timeOfDay) {
  const days = Math.round((startOfDay(now()) - startOfDay(us)) / DAY);
  const [year, yearNow] = [us, now()].map((at) => dateText(YEAR, at));
  const form = year === yearNow ? { weekday: "short", ...DAY_AND_MONTH } : WHOLE_DAY;
  let day = dateText(form, us);
  if (days === 0) day = "today";
  if (days === 1) day = "yesterday";
  return `${day} ${formatTime(us)}`;
}

// "under 1 s", "45 s", "2 min 5 s", "3 h 20 min", "2 d 4 h"
export function duration(seconds) {
  if (seconds < 1) return "under 1 s";
  const two = (total, smallUnit, each, largeUnit) => {
    const large = Math.floor(total / each), small = total % each;
    return small ? `${large} ${largeUnit} ${small} ${smallUnit}` : `${large} ${largeUnit}`;
  };
  // Rounded before it is divided, so that 119.6 s are 2 min and not 1 min 60 s.
  const whole = Math.round(seconds), minutes = Math.round(whole / 60);
  const hours = Math.round(whole / 3600);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return two(whole, "s", 60, "min");
  if (minutes < 24 * 60) return two(minutes, "min", 60, "h");
  return two(hours, "h", 24, "d");
}

// Place in a recording: "0:07.3", "12:40.0", "1:02:03.4". Python's clock_text writes the same.
export function playTime(seconds) {
  const tenths = Math.round(Math.abs(seconds) * 10);
  const minutes = Math.floor(tenths / 600), rest = tenths % 600;
  const hours = Math.floor(minutes / 60);
  const head = hours ? `${hours}:${String(minutes % 60).padStart(2, "0")}` : String(minutes);
  const sign = seconds < 0 && tenths ? "-" : "";
  return `${sign}${head}:${String(Math.floor(rest / 10)).padStart(2, "0")}.${rest % 10}`;
}

export const integer = (value) => value.toLocaleString("en");

export function count(number, noun, plural = `${noun}s`) {
  return `${number === 0 ? "no" : integer(number)} ${number === 1 ? noun : plural}`;
}

export const capitalize = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// A dash stands for a number that is not known.
export const formatScore = (value) => (value ?? null) === null ? "–" : value.toFixed(2);

// Raw scores lie many powers of ten apart from model to model: three digits that mean something.
export function formatRawScore(value) {
  if ((value ?? null) === null) return "–";
  return value < 1e-6 ? value.toExponential(2) : String(Number(value.toPrecision(3)));
}

export function formatSize(gigabytes) {
  if (gigabytes < 0.001) return "under 1 MB";
  if (gigabytes < 1) return `${Math.round(gigabytes * 1000)} MB`;
  return `${gigabytes.toFixed(gigabytes < 10 ? 1 : 0)} GB`;
}

// "1 in 340", from -log10 of the share of normal frames that reach as far. Python's rarity in
// report/page.py writes the same.
export function formatRarity(rarity) {
  if (rarity >= 6) return "beyond 1 in a million";
  const odds = 10 ** rarity;
  if (odds < 2) return "as usual";
  const digits = 10 ** Math.max(0, String(Math.floor(odds)).length - 2);
  return `1 in ${integer(Math.round(odds / digits) * digits)}`;
}

// "2/day" as people say it: "2 false alarms per day".
export function formatBudget(text) {
  const parts = /^([\d.]+)\s*\/\s*(\w+)$/.exec(text ?? "");
  if (!parts) return text ?? "the model's default";
  return `${parts[1]} false alarm${parts[1] === "1" ? "" : "s"} per ${parts[2]}`;
}

// The time zone of the browser, such as "Europe/Berlin", and that in which dates are shown.
const viewerZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;
export const siteZone = () => timeZone ?? viewerZone();

// "Tue, 24 Nov 2026, 08:13:24 (Europe/Berlin)", and the same for who sits in another time zone.
export function fullTime(us) {
  const write = (zone) => dateText({ ...WHOLE_DAY, ...HOUR_MINUTE_SECOND, timeZone: zone }, us);
  const [site, own] = [siteZone(), viewerZone()];
  const there = `${write(site)} (${site})`;
  return write(site) === write(own) ? there : `${there}; for you ${write(own)} (${own})`;
}
