// Addresses of views: #/cameras/north%20door?heat=1 is {path: ["cameras", "north door"],
// query: {heat: "1"}}.

import { queryString } from "./api.js";

export function currentRoute() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").filter(Boolean).map((part) => {
    // Somebody may have typed an address that is not encoded right.
    try { return decodeURIComponent(part); } catch { return part; }
  });
  return { path: parts, query: Object.fromEntries(new URLSearchParams(query)) };
}

export function link(path, query = {}) {
  return `#/${path.map(encodeURIComponent).join("/")}${queryString(query)}`;
}

// Leads to a view and draws it.
export function navigate(path, query) { location.hash = link(path, query); }

// Puts where a view is into the address without drawing it again.
export function replaceAddress(path, query) { history.replaceState(null, "", link(path, query)); }

// The same, but the browser's back button leads to where the view was before.
export function pushAddress(path, query) { history.pushState(null, "", link(path, query)); }
