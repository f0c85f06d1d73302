// Talking to the server. What it refuses is an error with the server's own sentence.

export const ROOT = new URL("api/v1/", document.baseURI);

export class ApiError extends Error {
  constructor(status, message) {
    super(message.charAt(0).toUpperCase() + message.slice(1));
    this.status = status;
  }
}

// FastAPI tells what it finds wrong in a body as a list.
function sentence(told, status) {
  const detail = told?.detail;
  if (typeof detail === "string") return detail;
  if (Array.isArray(detail)) return detail.map((one) => `${(one.loc ?? []).slice(1).join(" ")}: ${one.msg}`).join("; ");
  return `The server answered with ${status}.`;
}

export async function answer(path, { method = "GET", body, signal } = {}) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  let response;
  try {
    response = await fetch(new URL(path, ROOT), {
      method, signal, headers, credentials: "same-origin", cache: method === "GET" ? "no-cache" : undefined,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The server does not answer. Is `oddframe serve` still running?");
  }
  if (response.ok) return response;
  let told = null;
  try { told = await response.json(); } catch { /* not JSON: only the number is known */ }
  if (response.status === 401 && path !== "login") document.dispatchEvent(new Event("signed-out"));
  throw new ApiError(response.status, sentence(told, response.status));
}

export async function ask(path, options) {
  const response = await answer(path, options);
  return response.status === 204 ? null : response.json();
}

// camera("north door", "scores", {from_us: 0}) -> "cameras/north%20door/scores?from_us=0"
export function camera(name, what = "", query = {}) {
  return `cameras/${encodeURIComponent(name)}${what && `/${what}`}${search(query)}`;
}

export function search(query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

// Addresses in answers may be absolute paths or relative to the API; none may lead elsewhere.
export function address(url) {
  if (!url) return null;
  const whole = new URL(url, ROOT);
  return whole.origin === ROOT.origin || whole.protocol === "data:" ? whole.href : null;
}
