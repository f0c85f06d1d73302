// Cameras of the network that speak ONVIF: a search, the login of one of them, its streams.

import { count } from "../shared/format.js";
import { fetchJson } from "./api.js";
import { busy, field, h } from "./dom.js";
import { icon } from "./icons.js";

// The address of a stream with the login, which a device tells without one.
function withLogin(address, user, password) {
  if (!user) return address;
  const login = `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`;
  return address.replace("://", `://${login}`);
}

// A button that searches, and what it finds; `onChosen(address, name)` is called with the stream
// that somebody chooses, and what its device calls itself.
export function cameraFinder(onChosen) {
  const result = h("div", { class: "stack tight", "aria-live": "polite" });
  const search = h("button", { type: "button" }, icon("cameras"), "Find cameras");
  const say = (text, kind = "") => result.replaceChildren(h("p", { class: kind }, text));
  const show = (...parts) => result.replaceChildren(...parts);

  search.addEventListener("click", busy(search, async () => {
    say("Asking the network for cameras. This takes three seconds …", "soft");
    try {
      const { devices } = await fetchJson("onvif/find", { method: "POST" });
      if (devices.length) showDevices(devices);
      else {
        say("No camera has answered. It may be in another network, or ONVIF is switched off in "
          + "its settings: then enter its address.", "callout warn");
      }
    } catch (error) {
      say(error.message, "callout bad");
    }
  }));

  function showDevices(devices) {
    const choice = (device) => h("li", { class: "row apart" },
      h("span", {}, h("strong", {}, device.name), h("span", { class: "soft small" },
        ` ${[device.model, new URL(device.address).hostname].filter(Boolean).join(", ")}`)),
      h("button", { type: "button", "aria-label": `Choose ${device.name}`,
        onclick: () => askForLogin(device, devices) }, "Choose"));
    show(h("p", { class: "small" }, `${count(devices.length, "camera")} found:`),
      h("ul", { class: "plain" }, devices.map(choice)));
  }

  function askForLogin(device, devices) {
    const user = h("input", { type: "text", autocomplete: "off", spellcheck: "false" });
    const password = h("input", { type: "password", autocomplete: "off" });
    const problem = h("p", { class: "callout bad", hidden: true });
    const ask = h("button", { type: "button", class: "main" }, "Show its streams");
    ask.addEventListener("click", busy(ask, async () => {
      problem.hidden = true;
      try {
        const body = { address: device.address, user: user.value, password: password.value };
        const { streams } = await fetchJson("onvif/streams", { method: "POST", body });
        showStreams(device, streams, (address) => withLogin(address, user.value, password.value));
      } catch (error) {
        problem.textContent = error.message;
        problem.hidden = false;
      }
    }));
    show(field(`User of ${device.name}`, user, "As on the camera's own page; often one for ONVIF."),
      field("Password", password), problem,
      h("div", { class: "row" }, ask, h("button", { type: "button", class: "quiet",
        onclick: () => showDevices(devices) }, "Back")));
    user.focus();
  }

  function showStreams(device, streams, addressOf) {
    if (!streams.length) {
      say(`${device.name} names no stream; enter its address.`, "callout warn");
      return;
    }
    const choice = ({ name, address, encoding, size }) => h("li", { class: "row apart" },
      h("span", {}, name, h("span", { class: "soft small" },
        ` ${[encoding, size && `${size[0]} × ${size[1]}`].filter(Boolean).join(", ")}`)),
      h("button", { type: "button", "aria-label": `Use the stream ${name}`, onclick: () => {
        onChosen(addressOf(address), device.name);
        say(`The stream ${name} of ${device.name} is entered above.`, "soft small");
      } }, "Use"));
    show(h("ul", { class: "plain" }, streams.map(choice)));
  }

  return { button: search, element: result };
}
