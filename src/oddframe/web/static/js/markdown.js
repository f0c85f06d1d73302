// The little of Markdown that model cards use, as elements. What it does not know stays text.

import { h } from "./dom.js";

// `code`, **strong** and links become elements; links lead to http(s) only.
function inline(text) {
  const pattern = /`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)/;
  const parts = [];
  let rest = text;
  for (let found = pattern.exec(rest); found; found = pattern.exec(rest)) {
    const [whole, code, strong, linkText, address] = found;
    parts.push(rest.slice(0, found.index));
    if (code) parts.push(h("code", {}, code));
    else if (strong) parts.push(h("strong", {}, strong));
    else {
      const link = { href: address, rel: "noreferrer noopener", target: "_blank" };
      parts.push(h("a", link, linkText));
    }
    rest = rest.slice(found.index + whole.length);
  }
  return [...parts, rest];
}

const cellsOf = (line) =>
  line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
const isTableRule = (line) => /^\|?[\s:|-]+$/.test(line) && line.includes("-");
const isTableRow = (line) => line.trim().startsWith("|");
const isItem = (line) => /^\s*[-*]\s/.test(line);
const isItemOrMore = (line) => /^\s*[-*]\s|^\s+\S/.test(line);
const isFence = (line) => line.startsWith("```");
const isParagraph = (line) =>
  line.trim() && !/^#{1,4}\s/.test(line) && !isFence(line) && !isTableRow(line) && !isItem(line);

function table(lines) {
  const rows = lines.filter((line) => !isTableRule(line)).map(cellsOf);
  const head = lines.length > 1 && isTableRule(lines[1]) ? rows.shift() : null;
  const headCell = (cell) => h("th", { scope: "col" }, inline(cell));
  const bodyCell = (cell, index) =>
    (index ? h("td", {}, inline(cell)) : h("th", { scope: "row" }, inline(cell)));
  return h("div", { class: "scroll" }, h("table", {},
    head?.some(Boolean) && h("thead", {}, h("tr", {}, head.map(headCell))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map(bodyCell))))));
}

// An item may go on in the lines below it.
function list(lines) {
  const items = [];
  for (const line of lines) {
    if (isItem(line)) items.push(line.replace(/^\s*[-*]\s+/, ""));
    else items[items.length - 1] += ` ${line.trim()}`;
  }
  return h("ul", {}, items.map((item) => h("li", {}, inline(item))));
}

// The elements of a text; its headings begin at this level.
export function markdown(text, level = 3) {
  const lines = text.replaceAll("\r", "").split("\n"), blocks = [];
  const takeWhile = (fits) => {
    const taken = [];
    while (lines.length && fits(lines[0])) taken.push(lines.shift());
    return taken;
  };
  while (lines.length) {
    const heading = /^(#{1,4})\s+(.*)/.exec(lines[0]);
    if (!lines[0].trim()) lines.shift();
    else if (heading) {
      lines.shift();
      const tag = `h${Math.min(6, level + heading[1].length - 1)}`;
      blocks.push(h(tag, {}, inline(heading[2])));
    } else if (isFence(lines[0])) {
      lines.shift();
      const code = takeWhile((line) => !isFence(line)).join("\n");
      lines.shift();
      blocks.push(h("pre", {}, h("code", {}, code)));
    } else if (isTableRow(lines[0])) blocks.push(table(takeWhile(isTableRow)));
    else if (isItem(lines[0])) blocks.push(list(takeWhile(isItemOrMore)));
    else {
      // A line that only looks like the start of something is text, too.
      const paragraph = takeWhile(isParagraph).join(" ") || lines.shift();
      blocks.push(h("p", {}, inline(paragraph)));
    }
  }
  return h("div", { class: "markdown" }, blocks);
}
