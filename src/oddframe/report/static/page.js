"use strict";
document.documentElement.classList.add("scripted");

(() => {
  const held = document.getElementById("data");
  const data = held ? JSON.parse(held.textContent) : {};
  const charts = [];

  for (const plot of document.querySelectorAll("[data-chart]")) {
    const told = data.charts && data.charts[plot.dataset.chart];
    if (told) charts.push(new Chart(plot, told));
  }
  // Charts of one kind move together.
  for (const chart of charts) {
    chart.onview = (view) => charts.forEach((other) => {
      if (other !== chart && other.told.group && other.told.group === chart.told.group) other.show(view, false);
    });
  }
  for (const figure of document.querySelectorAll("[data-viewer]")) {
    new Viewer(figure, data.viewers[figure.dataset.viewer]);
  }

  const button = document.getElementById("theme");
  if (button) {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const isDark = () => {
      const chosen = document.documentElement.dataset.theme;
      return chosen ? chosen === "dark" : dark.matches;
    };
    const name = () => { button.textContent = isDark() ? "Light" : "Dark"; charts.forEach((chart) => chart.draw()); };
    button.addEventListener("click", () => {
      document.documentElement.dataset.theme = isDark() ? "light" : "dark";
      name();
    });
    dark.addEventListener("change", name);
    name();
  }
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
})();
