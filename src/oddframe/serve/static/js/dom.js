// Elements from what they are made of. Text only ever becomes text: nothing here parses HTML.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name in element && typeof value !== "string" && !(element instanceof SVGElement)) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false));
  return element;
}

export function h(tag, properties, ...children) {
  return fill(document.createElement(tag), properties, children);
}

export function s(tag, properties, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

// Writes only what differs, so that what is read aloud or selected is left alone.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Runs a button's work once at a time, and shows that it is at work.
export function busy(button, work) {
  return async (event) => {
    event?.preventDefault();
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    button.disabled = true;
    try { await work(event); } finally {
      button.removeAttribute("aria-busy");
      button.disabled = false;
    }
  };
}

let fields = 0;

// A label with its field and a sentence of help.
export function field(label, input, help) {
  input.id ||= `field-${fields += 1}`;
  const told = help && h("span", { class: "help", id: `${input.id}-help` }, help);
  if (told) input.setAttribute("aria-describedby", told.id);
  return h("div", { class: "field" }, h("label", { for: input.id }, label), input, told);
}
