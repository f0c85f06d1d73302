// Short messages in the corner, and dialogs that want an answer.

import { h } from "./dom.js";

const SHOWN_MS = 7000, ERROR_SHOWN_MS = 15000, MOST_NOTICES = 3;

// `action` is {text, run}: a button in the message.
export function showNotice(text, { bad = false, action } = {}) {
  const close = () => box.remove();
  const run = () => { close(); action.run(); };
  const box = h("div", { class: bad ? "notice bad" : "notice" },
    h("p", {}, text),
    action && h("button", { type: "button", class: "strong", onclick: run }, action.text),
    h("button", { type: "button", "aria-label": "Close this message", onclick: close }, "×"));
  const place = document.getElementById("notices");
  place.append(box);
  while (place.children.length > MOST_NOTICES) place.firstChild.remove();
  setTimeout(close, bad ? ERROR_SHOWN_MS : SHOWN_MS);
}

// A request that was given up, or refused because nobody is signed in, needs no message.
export function showError(error) {
  if (error.name !== "AbortError" && error.status !== 401) {
    showNotice(error.message, { bad: true });
  }
}

// Runs work whose errors are shown instead of thrown; resolves with whether it went well.
export async function attempt(work) {
  try {
    await work();
    return true;
  } catch (error) {
    showError(error);
    return false;
  }
}

// Resolves with the value of the button that closed the dialog, or "" where it was dismissed.
export function showDialog(title, content, buttons = [{ text: "Close", value: "" }]) {
  return new Promise((resolve) => {
    const drawn = buttons.map((button) =>
      h("button", { value: button.value, class: button.class ?? "" }, button.text));
    const box = h("dialog", { "aria-label": title },
      h("form", { method: "dialog", class: "stack" },
        h("h2", {}, title), content, h("div", { class: "row" }, drawn)));
    box.addEventListener("close", () => { box.remove(); resolve(box.returnValue); });
    box.addEventListener("click", (event) => { if (event.target === box) box.close(""); });
    document.body.append(box);
    box.showModal();
  });
}

// Puts an address of the app into the clipboard. Browsers allow that on localhost and with HTTPS
// only; elsewhere the address is shown, to be copied by hand.
export async function copyLink(hash) {
  const url = new URL(hash, location.href).href;
  try {
    await navigator.clipboard.writeText(url);
    showNotice("Link copied.");
  } catch {
    const box = h("input", { readonly: true, value: url, "aria-label": "Link" });
    box.addEventListener("focus", () => box.select());
    await showDialog("Copy this link", box);
  }
}

export async function askToConfirm(title, text, buttonText) {
  const answer = await showDialog(title, h("p", {}, text),
    [{ text: "Cancel", value: "" }, { text: buttonText, value: "yes", class: "main" }]);
  return answer === "yes";
}
