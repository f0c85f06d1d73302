// The little of Markdown that model cards use, as elements. What it does not know stays text.

import { h } from "./dom.js";

// `code`, **strong** and links become elements; links lead to http(s) only.
function inline(text) {
  const parts = [];
  let rest = text;
  const pattern = /`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)/;
  for (let found = pattern.exec(rest); found; found = pattern.exec(rest)) {
    parts.push(rest.slice(0, found.index));
    if (found[1]) parts.push(h("code", {}, found[1]));
    else if (found[2]) parts.push(h("strong", {}, found[2]));
    else parts.push(h("a", { href: found[4], rel: "noreferrer noopener", target: "_blank" }, found[3]));
    rest = rest.slice(found.index + found[0].length);
  }
  return [...parts, rest];
}

const cells = (line) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
const isRule = (line) => /^\|?[\s:|-]+$/.test(line) && line.includes("-");

function table(lines) {
  const rows = lines.filter((line) => !isRule(line)).map(cells), headed = lines.length > 1 && isRule(lines[1]);
  const head = headed ? rows.shift() : null;
  return h("div", { class: "scroll" }, h("table", {},
    head?.some(Boolean) && h("thead", {}, h("tr", {}, head.map((cell) => h("th", { scope: "col" }, inline(cell))))),
    h("tbody", {}, rows.map((row) => h("tr", {},
      row.map((cell, number) => h(number ? "td" : "th", number ? {} : { scope: "row" }, inline(cell))))))));
}

export function markdown(text, level = 3) {
  const made = [], lines = text.replaceAll("\r", "").split("\n");
  const take = (fits) => { const taken = []; while (lines.length && fits(lines[0])) taken.push(lines.shift()); return taken; };
  while (lines.length) {
    const line = lines[0], heading = /^(#{1,4})\s+(.*)/.exec(line);
    if (!line.trim()) lines.shift();
    else if (heading) { lines.shift(); made.push(h(`h${Math.min(6, level + heading[1].length - 1)}`, {}, inline(heading[2]))); }
    else if (line.startsWith("```")) { lines.shift();
      made.push(h("pre", {}, h("code", {}, take((one) => !one.startsWith("```")).join("\n")))); lines.shift(); }
    else if (line.trim().startsWith("|")) made.push(table(take((one) => one.trim().startsWith("|"))));
    else if (/^\s*[-*]\s/.test(line)) made.push(h("ul", {}, take((one) => /^\s*[-*]\s|^\s+\S/.test(one)).reduce((items, one) => {
      if (/^\s*[-*]\s/.test(one)) items.push(one.replace(/^\s*[-*]\s+/, "")); else items[items.length - 1] += ` ${one.trim()}`;
      return items;
    }, []).map((item) => h("li", {}, inline(item)))));
    else made.push(h("p", {}, inline(take((one) => one.trim() && !/^#{1,4}\s|^```|^\s*\||^\s*[-*]\s/.test(one)).join(" ")
      || lines.shift())));
  }
  return h("div", { class: "markdown" }, made);
}
