// Elements from what they are made of. Text only ever becomes text: nothing here parses HTML.

import { dayAndTime, fullTime, now, siteZone } from "../shared/format.js";

const SVG = "http://www.w3.org/2000/svg";

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    const isProperty = name in element && typeof value !== "string"
      && !(element instanceof SVGElement);
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (isProperty) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  const isShown = (child) => child !== null && child !== undefined && child !== false;
  element.append(...children.flat(Infinity).filter(isShown));
  return element;
}

// An HTML element: h("p", {class: "soft", onclick: run}, "text", otherElement, condition && more)
export function h(tag, properties, ...children) {
  return fill(document.createElement(tag), properties, children);
}

// The same for SVG.
export function s(tag, properties, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

// Writes only what differs, so that what is read aloud or selected is left alone.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Wraps a button's work: it runs once at a time, and the button shows that it is busy.
export function busy(button, work) {
  return async (event) => {
    event?.preventDefault();
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    button.disabled = true;
    try {
      await work(event);
    } finally {
      button.removeAttribute("aria-busy");
      button.disabled = false;
    }
  };
}

// A moment as text; on hover its date, the time zone, and the time of who sits in another one.
export function moment(us, text = dayAndTime(us)) {
  return h("time", { datetime: new Date(us / 1000).toISOString(), title: fullTime(us) }, text);
}

// The time zone of the times beside it.
export function zoneNote() {
  return h("span", { class: "zone small soft", title: `Now: ${fullTime(now())}` }, siteZone());
}

let fieldCount = 0;

// A label with its input and a sentence of help.
export function field(label, input, help) {
  fieldCount += 1;
  input.id ||= `field-${fieldCount}`;
  const helpText = help && h("span", { class: "help", id: `${input.id}-help` }, help);
  if (helpText) input.setAttribute("aria-describedby", helpText.id);
  return h("div", { class: "field" }, h("label", { for: input.id }, label), input, helpText);
}
