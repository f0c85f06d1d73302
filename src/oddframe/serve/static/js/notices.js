// Short messages at the corner, and questions that want an answer.

import { h } from "./dom.js";

export function notice(text, { bad = false, action } = {}) {
  const close = () => box.remove();
  const box = h("div", { class: bad ? "notice bad" : "notice" },
    h("p", {}, text), action && h("button", { type: "button", class: "strong", onclick: () => { close(); action.run(); } }, action.text),
    h("button", { type: "button", "aria-label": "Dismiss", onclick: close }, "×"));
  const place = document.getElementById("notices");
  place.append(box);
  while (place.children.length > 3) place.firstChild.remove();
  setTimeout(close, bad ? 15000 : 7000);
}

export function complain(error) {
  if (error.name !== "AbortError" && error.status !== 401) notice(error.message, { bad: true });
}

// Work whose errors are shown rather than thrown; tells whether it went well.
export async function tried(work) {
  try { await work(); return true; } catch (error) { complain(error); return false; }
}

// A dialog; resolves with the value of the button that closed it, "" when it was dismissed.
export function dialog(title, content, buttons = [{ text: "Close", value: "" }]) {
  return new Promise((resolve) => {
    const box = h("dialog", { "aria-label": title }, h("form", { method: "dialog", class: "stack" },
      h("h2", {}, title), content,
      h("div", { class: "row" }, buttons.map((one) => h("button", { value: one.value, class: one.class ?? "" }, one.text)))));
    box.addEventListener("close", () => { box.remove(); resolve(box.returnValue); });
    box.addEventListener("click", (event) => { if (event.target === box) box.close(""); });
    document.body.append(box);
    box.showModal();
  });
}

export async function sure(title, text, word, danger = false) {
  const answer = await dialog(title, h("p", {}, text),
    [{ text: "Cancel", value: "" }, { text: word, value: "yes", class: danger ? "danger" : "main" }]);
  return answer === "yes";
}
