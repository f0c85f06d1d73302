// The page Settings: notifications of this browser, and for admins how long things are kept, where
// alerts go, who may use the app, and what was changed.

import { accountsPanel, changesPanel } from "./accounts.js";
import { h } from "./dom.js";
import { retentionPanel } from "./hours_and_retention.js";
import { pushPanel } from "./push.js";
import { sinksPanel } from "./sinks.js";
import { store } from "./store.js";

export async function show(place, route, signal) {
  const isAdmin = store.info.role === "admin";
  const panels = [];
  if (isAdmin) {
    panels.push(sinksPanel(signal), await retentionPanel(signal), accountsPanel(signal),
      changesPanel(signal));
  }
  place.append(h("div", { class: "head" }, h("h1", {}, "Settings")),
    h("div", { class: "stack spaced" }, aboutPanel(), pushPanel(signal), panels));
}

// Who is signed in, and what this account may do.
function aboutPanel() {
  const { name, role, cameras, auth_required: isAsked } = store.info;
  const who = name ? `You are signed in as ${name}, ${role}.`
    : isAsked ? "You are signed in with the token of the server."
      : "Nobody has to sign in at this server.";
  const sees = cameras ? ` You see these cameras: ${cameras.join(", ")}.` : "";
  return h("section", { class: "card pad", "aria-label": "This account" },
    h("p", {}, who, sees));
}
