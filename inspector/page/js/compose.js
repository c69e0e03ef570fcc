// Messages that are sent by hand, and requests that are made again.
import { h, ask, bytes, short, tell, toast, took } from "./dom.js";
import { attempt, post } from "./api.js";
import { byteHint, json, notJSON, pretty, hex, valueNode } from "./payload.js";

// compose asks for a message and sends it. What is wrong with it is said in
// the dialog.
export async function compose(shell, channel = "", message = {}) {
  let sent;
  const values = await ask("Send a message", [
    { name: "channel", label: "Channel", value: channel, placeholder: "jobs" },
    { name: "message", label: "Message, as JSON. " + byteHint, value: json(message), rows: 14 },
  ], "Send", false, async (v) => {
    if (!v.channel) return "A channel is needed.";
    const wrong = notJSON(v.message, "message");
    if (wrong) return wrong;
    try {
      // Written into the body as it is, so that 1.0 stays a float.
      sent = await post("send", `{"channel": ${JSON.stringify(v.channel)}, "message": ${v.message}}`);
    } catch (error) {
      return error.message;
    }
  });
  if (values && sent) toast("Sent to " + short(values.channel));
}

// replay makes again what began the chain of a message, and shows the answer.
export async function replay(m) {
  const answer = await attempt(post("replay", { trace: m.trace }));
  if (!answer) return;
  if (answer.status) tell(`Replayed: ${answer.status} in ${took(answer.durationMs)}`, answerNode(answer));
  else toast("Sent again to " + answer.channel);
}

// answerNode shows what the application answered to a request: as text,
// whatever it is.
export function answerNode(answer) {
  const body = answer.binary ? hex(Uint8Array.from(atob(answer.body), (c) => c.charCodeAt(0))) : answer.body;
  const nice = answer.binary ? null : pretty(answer.body);
  const shown = h("pre", { class: answer.binary ? "body hex" : "body" }, nice ?? body);
  const toggle = nice !== null && nice !== body && h("button", {
    class: "small", onclick: () => {
      const raw = toggle.textContent === "as it came";
      shown.textContent = raw ? body : nice;
      toggle.textContent = raw ? "indented" : "as it came";
    },
  }, "as it came");
  return h("div", { class: "answered" },
    h("p", { class: "facts" }, h("b", { class: "status s" + Math.floor(answer.status / 100) }, String(answer.status)),
      h("span", {}, took(answer.durationMs)), h("span", {}, bytes(answer.bytes) + (answer.cut ? ", where it was cut" : "")), answer.binary && h("span", {}, "binary"), toggle),
    h("details", {}, h("summary", {}, `${answer.headers.length} headers`), valueNode(answer.headers, "headers")),
    answer.bytes ? shown : h("p", { class: "muted" }, "The body is empty."));
}
