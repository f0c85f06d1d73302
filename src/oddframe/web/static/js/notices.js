// Short messages in the corner, and dialogs that want an answer.

import { h } from "./dom.js";

const SHOWN_MS = 7000, ERROR_SHOWN_MS = 15000, MOST_NOTICES = 3;

// `action` is {text, run}: a button in the message. Returns what adds a sentence to it later.
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
  let timer = setTimeout(close, bad ? ERROR_SHOWN_MS : SHOWN_MS);
  return (more) => {
    if (!box.isConnected) return;
    box.querySelector("p").append(h("span", { class: "soft small more" }, more));
    clearTimeout(timer);
    timer = setTimeout(close, SHOWN_MS);
  };
}

// A request that was given up, or refused because nobody is signed in, needs no message.
export function showError(error) {
  if (error.name !== "AbortError" && error.status !== 401) {
    showNotice(error.message, { bad: true });
  }
}

// Says in the place of a list why it cannot be shown.
export function showIn(place, error, signal) {
  if (!signal.aborted) place.replaceChildren(h("p", { class: "pad" }, error.message));
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
    // One that only dismisses is no submit button: Enter in a field must not choose it.
    const drawn = buttons.map(({ text, value, class: name = "" }) => (value
      ? h("button", { value, class: name }, text)
      : h("button", { type: "button", class: name, onclick: () => box.close("") }, text)));
    const box = h("dialog", { "aria-label": title },
      h("form", { method: "dialog", class: "stack" },
        h("h2", {}, title), content, h("div", { class: "row" }, drawn)));
    box.addEventListener("close", () => { box.remove(); resolve(box.returnValue); });
    box.addEventListener("click", (event) => { if (event.target === box) box.close(""); });
    document.body.append(box);
    box.showModal();
  });
}

// Shows a dialog until what was entered in it is taken, or it is dismissed; what the server refuses
// is said, and nothing that was entered is lost. Resolves with whether it was taken.
export async function askUntilDone(title, content, buttonText, work) {
  const buttons = [{ text: "Cancel", value: "" },
    { text: buttonText, value: "yes", class: "main" }];
  while (await showDialog(title, content, buttons) === "yes") {
    if (await attempt(work)) return true;
  }
  return false;
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
