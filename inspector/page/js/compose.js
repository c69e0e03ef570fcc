// Dialogs that send messages, and that replay requests.
import { h, ask, bytes, setText, short, showDialog, toast, duration } from "./dom.js";
import { attempt, post } from "./api.js";
import { byteHint, json, notJSON, pretty, hex, valueNode } from "./payload.js";

// compose shows a dialog that sends a message. The dialog shows errors.
export async function compose(shell, channel = "", message = {}) {
  let sent;
  const values = await ask("Send a message", [
    { name: "channel", label: "Channel", value: channel, placeholder: "jobs" },
    { name: "message", label: "Message, as JSON. " + byteHint, value: json(message), rows: 14 },
  ], "Send", false, async (v) => {
    if (!v.channel) return "Enter a channel.";
    const wrong = notJSON(v.message, "message");
    if (wrong) return wrong;
    try {
      // The message is sent as it was written, so that 1.0 stays a float.
      sent = await post("send", `{"channel": ${JSON.stringify(v.channel)}, "message": ${v.message}}`);
    } catch (error) {
      return error.message;
    }
  });
  if (values && sent) toast("Sent to " + short(values.channel));
}

// replay repeats the first message of a chain and shows the response.
export async function replay(m) {
  const result = await attempt(post("replay", { trace: m.trace }));
  if (result) showReplay(result);
}

// showReplay shows the response to a request that was sent again.
export function showReplay(result) {
  if (result.status) showDialog(`Replayed: ${result.status} in ${duration(result.durationMs)}`, responseNode(result));
  else toast("Sent again to " + result.channel);
}

// responseNode shows a response of the application as text, never as HTML.
export function responseNode(response) {
  const body = response.binary ? hex(Uint8Array.from(atob(response.body), (c) => c.charCodeAt(0))) : response.body;
  const nice = response.binary ? null : pretty(response.body);
  const shown = h("pre", { class: response.binary ? "body hex" : "body" }, nice ?? body);
  const toggle = nice !== null && nice !== body && h("button", {
    class: "small", onclick: () => {
      const raw = toggle.textContent === "original";
      setText(shown, raw ? body : nice);
      toggle.textContent = raw ? "indented" : "original";
    },
  }, "original");
  return h("div", { class: "answered" },
    h("p", { class: "facts" }, h("b", { class: "status s" + Math.floor(response.status / 100) }, String(response.status)),
      h("span", {}, duration(response.durationMs)), h("span", {}, bytes(response.bytes) + (response.cut ? ", cut" : "")), response.binary && h("span", {}, "binary"), toggle),
    h("details", {}, h("summary", {}, `${response.headers.length} headers`), valueNode(response.headers, "headers")),
    response.bytes ? shown : h("p", { class: "muted" }, "The body is empty."));
}
