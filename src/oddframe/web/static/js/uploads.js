// Recordings that are sent to the server, part by part; a break costs the part that was on its way.

import { capitalize, formatSize } from "../shared/format.js";
import { fetchJson, queryString, ROOT } from "./api.js";
import { busy, h, setText } from "./dom.js";
import { askToConfirm, attempt } from "./notices.js";

const TRIES = 6, FIRST_PAUSE_MS = 1000;

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

// The server's own sentence about a part that it did not take.
async function refusal(response) {
  const answer = await response.json().catch(() => null);
  const detail = typeof answer?.detail === "string" ? answer.detail : `status ${response.status}`;
  return new Error(capitalize(detail));
}

async function sendPart(camera, file, offset, partBytes) {
  const query = queryString({ camera, name: file.name, size_bytes: file.size, offset });
  const response = await fetch(new URL(`uploads/file${query}`, ROOT), {
    method: "PUT", body: file.slice(offset, offset + partBytes), credentials: "same-origin",
    headers: { "Content-Type": "application/octet-stream" },
  });
  // What is wrong with the recording or the disk stays wrong; a place that differs is asked for.
  if (!response.ok && response.status !== 409) {
    throw Object.assign(await refusal(response), { isFinal: true });
  }
  return response.ok ? (await response.json()).received_bytes : null;
}

// Sends one recording from where the server has it; `report` is called with the bytes received.
async function sendFile(camera, file, partBytes, report) {
  const announce = () => fetchJson("uploads",
    { method: "POST", body: { camera, name: file.name, size_bytes: file.size } });
  let { received_bytes: received } = await announce();
  let tries = 0;
  while (received < file.size) {
    report(received);
    try {
      const now = await sendPart(camera, file, received, partBytes);
      received = now ?? (await announce()).received_bytes;
      tries = now === null ? tries + 1 : 0;
    } catch (error) {
      tries += 1;
      if (error.isFinal || tries >= TRIES) throw error;
      await pause(FIRST_PAUSE_MS * 2 ** (tries - 1));
      // Where the connection broke only the server knows how much has come.
      received = (await announce().catch(() => ({ received_bytes: received }))).received_bytes;
    }
    if (tries >= TRIES) throw new Error(`${file.name} could not be sent; try again later.`);
  }
  report(file.size);
}

// What was sent for a camera, each recording with a button that deletes it; null where nothing is.
export function uploadsPanel(camera, uploads, reload) {
  if (!uploads.length) return null;
  const row = ({ name, size_bytes: size, received_bytes: received }) => {
    const remove = h("button", { type: "button", class: "quiet", "aria-label": `Delete ${name}` },
      "Delete");
    remove.addEventListener("click", busy(remove, async () => {
      if (!await askToConfirm("Delete the recording?", `${name} is deleted from the server.`,
        "Delete")) return;
      await attempt(async () => {
        await fetchJson(`uploads${queryString({ camera, name })}`, { method: "DELETE" });
        await reload();
      });
    }));
    const sent = received < size ? `, ${formatSize(received / 1e9)} of it sent` : "";
    return h("li", { class: "row apart" },
      h("span", {}, name, h("span", { class: "soft small" }, ` ${formatSize(size / 1e9)}${sent}`)),
      remove);
  };
  return h("section", { class: "card pad stack", "aria-labelledby": "uploads-title" },
    h("h2", { id: "uploads-title" }, "Recordings that were sent"),
    h("ul", { class: "plain" }, uploads.map(row)));
}

// A choice of recordings. `send(camera)` sends them; those that are there already are passed over.
export function uploadField() {
  const input = h("input", { type: "file", accept: "video/*,.mkv,.ts,.nut", multiple: true,
    "aria-label": "Recordings" });
  const bar = h("progress", { max: "1", value: "0", "aria-label": "How much is sent" });
  const text = h("p", { class: "small", role: "status" });
  bar.hidden = true;
  const total = () => [...input.files].reduce((sum, file) => sum + file.size, 0);
  input.addEventListener("input", () => {
    setText(text, input.files.length ? `${formatSize(total() / 1e9)} will be sent.` : "");
  });
  const send = async (camera) => {
    const files = [...input.files], all = total();
    if (!files.length) throw new Error("Choose recordings first.");
    const { part_bytes: partBytes } = await fetchJson(`uploads${queryString({ camera })}`);
    bar.hidden = false;
    let before = 0;
    for (const file of files) {
      await sendFile(camera, file, partBytes, (received) => {
        bar.value = (before + received) / all;
        setText(text, `Sending ${file.name}: ${formatSize((before + received) / 1e9)} of `
          + `${formatSize(all / 1e9)}. Leave this page open; after a break it goes on.`);
      });
      before += file.size;
    }
    setText(text, "All is sent.");
  };
  return { element: h("div", { class: "stack tight" }, input, bar, text), send };
}
