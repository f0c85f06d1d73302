// Stands in the page itself and runs before anything else is there. It sets the theme, so that the
// page does not flash in the other one, and asks for what the first view shows: on a slow line
// these answers come together with the app's files and not after them. `fetchResponse` in api.js
// takes them over, by their paths.
"use strict";
{
  try {
    const chosen = localStorage.getItem("oddframe-theme");
    if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
  } catch { /* The browser may forbid storage; then the system's theme holds. */ }

  const [view, query] = location.hash.replace(/^#\/?/, "").split("?");
  const paths = ["info", "cameras"];
  // A moment in a filter is a time of the site, whose zone is not known yet.
  const isKnown = !/(^|&)(from|to)=/.test(query ?? "");
  if (view.split("/")[0] === "events" && isKnown) {
    paths.push(`stacks?${query ? `${query}&` : ""}limit=30`);
  }
  if (view.split("/")[0] === "timeline") paths.push("scores");
  globalThis.earlyAnswers = new Map(paths.map((path) => {
    const answer = fetch(`api/v1/${path}`, { cache: "no-cache", credentials: "same-origin" });
    // Whoever wants it asks again, and says what is wrong.
    return [path, answer.catch(() => null)];
  }));
}
