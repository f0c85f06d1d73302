// Requests to the server. What it refuses becomes an error with the server's own sentence.

import { capitalize } from "../shared/format.js";

export const ROOT = new URL("api/v1/", document.baseURI);

// `status` is the HTTP status, or 0 where no answer came at all.
class ApiError extends Error {
  constructor(status, message) {
    super(capitalize(message));
    this.status = status;
  }
}

// What the page has asked for before this module was there, by path (early.js). Each answer is
// taken once, only at the beginning, since it grows old, and only where it has not been refused:
// somebody may have signed in since.
const EARLY_MS = 15000;
const early = globalThis.earlyAnswers ?? new Map();

async function takeEarly(path) {
  const asked = early.get(path);
  early.delete(path);
  if (performance.now() > EARLY_MS) return null;
  const answer = await asked;
  return answer?.ok ? answer : null;
}

// The sentence in an answer that refuses. FastAPI sends a list for a body that does not fit.
function refusalText(answer, status) {
  const detail = answer?.detail;
  if (typeof detail === "string") return detail;
  if (Array.isArray(detail)) {
    return detail.map(({ loc, msg }) => `${(loc ?? []).slice(1).join(" ")}: ${msg}`).join("; ");
  }
  return `The server answered with status ${status}.`;
}

// With `isEarly` it is asked before anybody knows whether somebody is signed in.
export async function fetchResponse(path, { method = "GET", body, signal, isEarly } = {}) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  let response = method === "GET" ? await takeEarly(path) : null;
  try {
    response ??= await fetch(new URL(path, ROOT), {
      method, signal, headers, credentials: "same-origin",
      cache: method === "GET" ? "no-cache" : undefined,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The server does not answer. Is `oddframe serve` still running?");
  }
  if (response.ok) return response;
  let answer = null;
  try { answer = await response.json(); } catch { /* Not JSON: only the status is known. */ }
  const isNews = path !== "login" && !isEarly;
  if (response.status === 401 && isNews) document.dispatchEvent(new Event("signed-out"));
  throw new ApiError(response.status, refusalText(answer, response.status));
}

// The answer's JSON, or null where the answer has no content.
export async function fetchJson(path, options) {
  const response = await fetchResponse(path, options);
  return response.status === 204 ? null : response.json();
}

// cameraPath("north door", "scores", {from_us: 0}) -> "cameras/north%20door/scores?from_us=0"
export function cameraPath(name, part = "", query = {}) {
  return `cameras/${encodeURIComponent(name)}${part && `/${part}`}${queryString(query)}`;
}

// "?a=1&b=2" of the values that are set, or "" where none is.
export function queryString(query) {
  const set = Object.entries(query)
    .filter(([, value]) => value !== undefined && value !== null && value !== "");
  return set.length ? `?${new URLSearchParams(set)}` : "";
}

// Addresses in answers may be absolute paths or relative to the API; none may lead to another site.
export function safeUrl(url) {
  if (!url) return null;
  const resolved = new URL(url, ROOT);
  return resolved.origin === ROOT.origin || resolved.protocol === "data:" ? resolved.href : null;
}
