// Runs before the page is drawn, so that the page does not flash in the other theme.
"use strict";
try {
  const chosen = localStorage.getItem("oddframe-theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch { /* The browser may forbid storage; then the system's theme holds. */ }
