// Drawn symbols; they stand beside words, never in their place, unless the control has a label.

import { s } from "./dom.js";

const PATHS = {
  cameras: "M3 7h11v10H3zM14 11l7-4v10l-7-4",
  timeline: "M3 18h18M4 14l4-5 4 3 3-7 5 6",
  events: "M12 3l9.5 17h-19zM12 10v4.5M12 17.4v.1",
  models: "M12 2.8l8.5 4.6v9.2L12 21.2l-8.5-4.6V7.4zM3.5 7.4l8.5 4.8 8.5-4.8M12 12.2v9",
  health: "M3 12h4l2.5-6 4.5 12 2.5-6H21",
  keys: "M3 6h18v12H3zM7 10h.1M11 10h.1M15 10h.1M7 14h10",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4"
    + "M17.6 17.6L19 19M5 19l1.4-1.4M17.6 6.4L19 5",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z",
  plus: "M12 5v14M5 12h14",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
  play: "M7 4.5v15l12-7.5z",
  live: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8z",
  connecting: "M12 3a9 9 0 1 1-9 9",
  stalled: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7v5l3 2",
  waiting: "M4 12a8 8 0 1 1 2.5 5.8M4 20v-4.5h4.5",
  ended: "M6 6h12v12H6z",
  failed: "M6 6l12 12M18 6L6 18",
  alarm: "M12 3l9.5 17h-19zM12 10v4.5M12 17.4v.1",
  check: "M5 12.5l4.5 4.5L19 7.5",
  important: "M12 4v10M12 18.6v.1",
  unsure: "M8.5 9a3.5 3.5 0 1 1 5.3 3c-1.2.8-1.8 1.4-1.8 2.8M12 18.6v.1",
  heat: "M12 3c1 4 5 5.500 5 10.500a5 5 0 0 1-10 0C7 11 9 10 9.500 7.500 11 8.500 12 6 12 3z",
  edit: "M4 20l1-4L16 5l3 3L8 19zM13.500 7.500l3 3",
  back: "M8 5L3 10l5 5M3.500 10H15a5 5 0 0 1 0 10h-4",
  zone: "M5 7l8-3 7 6-3 9-11-1z",
  offline: "M3 3l18 18M8.500 16a5 5 0 0 1 7 0M5 12.500a10 10 0 0 1 4-2.400"
    + "M19 12.500a10 10 0 0 0-5.500-2.800",
  clip: "M3 5h18v14H3zM10 9v6l5-3z",
  save: "M12 4v11M7.5 10.500l4.500 4.500 4.500-4.500M4 20h16",
  link: "M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.700-5.700l-1.600 1.600M14 10a4 4 0 0 0-6-.4l-3 3"
    + "a4 4 0 0 0 5.700 5.700l1.600-1.600",
  settings: "M4 7h10M18 7h2M4 17h2M10 17h10M14 4.5h4v5h-4zM6 14.5h4v5H6z",
  filter: "M3 5h18l-7 8.500V20l-4-2v-4.500z",
  apart: "M3 6h8v12H3zM15 9h6v6h-6z",
};

export function icon(name) {
  const properties = { class: `icon i-${name}`, viewBox: "0 0 24 24", "aria-hidden": "true" };
  return s("svg", properties, s("path", { d: PATHS[name] }));
}
