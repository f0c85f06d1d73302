// Why an event is one: how rare its looks, its motion and its pattern are among normal frames.

import { h, s } from "./dom.js";
import { rarity } from "./words.js";

const PARTS = [["appearance", "looks wrong", "Looks"], ["motion", "moves wrong", "Moves"],
  ["cluster", "unlike any known pattern", "Unlike any known pattern"]];
const MOST = 6;

export function bars(event) {
  const parts = event.parts ?? {};
  if (!PARTS.some(([part]) => parts[part] !== undefined)) return "";
  return h("div", { class: "why" }, h("p", { class: "soft small" }, "How rare that is among normal frames:"),
    h("dl", { class: "bars" }, PARTS.map(([part, reason, label]) => {
      const value = parts[part] ?? 0, main = event.reason === reason;
      return h("div", { class: main ? "main" : "" }, h("dt", {}, label, main && h("span", { class: "hidden" }, " (the reason)")),
        h("dd", { class: "graph" }, s("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
          s("rect", { class: `f-${part}`, width: Math.max(1, Math.min(100, 100 * value / MOST)), height: 8 }))),
        h("dd", { class: "rare" }, rarity(value)));
    })));
}
