// Addresses of views: #/cameras/north%20door?heat=1 -> {path: ["cameras", "north door"], query: {heat: "1"}}.

export function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").filter(Boolean).map((part) => {
    try { return decodeURIComponent(part); } catch { return part; }
  });
  return { path: parts, query: Object.fromEntries(new URLSearchParams(query)) };
}

export function link(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const tail = given.length ? `?${new URLSearchParams(given)}` : "";
  return `#/${path.map(encodeURIComponent).join("/")}${tail}`;
}

export function go(path, query) { location.hash = link(path, query); }

// Notes where a view is without drawing it anew.
export function note(path, query) { history.replaceState(null, "", link(path, query)); }

// The same, but going back leads to where the view was before.
export function step(path, query) { history.pushState(null, "", link(path, query)); }
