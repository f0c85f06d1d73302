// The page that asks for the token.

import { ask } from "./api.js";
import { busy, field, h } from "./dom.js";

export function signIn(view, then) {
  const token = h("input", { type: "password", autocomplete: "current-password", required: true, spellcheck: "false" });
  const wrong = h("p", { class: "high", role: "alert" });
  const button = h("button", { class: "main" }, "Sign in");
  const form = h("form", { class: "card" },
    h("h1", {}, "Sign in"),
    field("Token", token, "The one that the server was started with."),
    wrong, button);
  form.addEventListener("submit", busy(button, async () => {
    wrong.textContent = "";
    try {
      await ask("login", { method: "POST", body: { token: token.value } });
      await then();
    } catch (error) {
      wrong.textContent = error.message;
      token.select();
    }
  }));
  view.replaceChildren(h("div", { class: "sign-in" }, form));
  token.focus();
}
