// The dialog that makes a test from chains of the history.
import { h, clock, copy, setText, showDialog, toast } from "./dom.js";
import { attempt, get, post } from "./api.js";

const inputs = "channel:http.request,websocket.connect,websocket.receive,websocket.disconnect";
const fileName = "recorded_test.star";
const most = 300; // chains in the list

// saveTest shows the chains that a request or message of a client began. Those
// that select accepts are selected first.
export async function saveTest(select) {
  const found = await attempt(get("messages", { filter: inputs, limit: most }));
  if (!found) return;
  const seen = new Set(["0000000000000000"]);
  const chains = found.messages.filter((m) => !seen.has(m.trace) && seen.add(m.trace));
  if (!chains.length) {
    toast("There is nothing to save: no request and no WebSocket message is in the history.", true);
    return;
  }
  const boxes = chains.map((m) => h("input", { type: "checkbox", checked: select(m), value: m.trace, onchange: refresh }));
  const all = h("input", { type: "checkbox", checked: boxes.every((b) => b.checked), onchange: () => { for (const box of boxes) box.checked = all.checked; refresh(); } });
  const note = h("p", { class: "muted", role: "status" });
  const text = h("pre", { class: "body", tabIndex: 0, "aria-label": "The test" });
  const save = h("button", { class: "primary", onclick: () => download(test.text, fileName) }, "Download");
  const copying = h("button", { onclick: () => copy(test.text, "a test") }, "Copy");
  let request = 0, test;

  async function refresh() {
    all.checked = boxes.every((b) => b.checked);
    const traces = boxes.filter((b) => b.checked).map((b) => b.value);
    const mine = ++request;
    let made = { text: "", gaps: ["Select the chains to save."] };
    if (traces.length) {
      try {
        made = await post("test", { traces });
      } catch (error) {
        made.gaps = [error.message];
      }
    }
    if (mine !== request) return;
    test = made;
    setText(text, test.text);
    text.hidden = save.disabled = copying.disabled = !test.text;
    const run = test.text && `Put it beside ${test.app || "the application"} and run: asgibox test ${fileName}`;
    setText(note, [run, ...test.gaps].filter(Boolean).join("\n"));
  }

  showDialog("Save as test",
    h("div", { class: "chains" }, h("label", {}, all, h("span", {}, "All")),
      chains.map((m, i) => h("label", {}, boxes[i], h("span", { class: "muted" }, clock(m.sent)), h("span", {}, m.preview), h("span", { class: "muted" }, m.channel === "websocket.receive" ? m.path : "")))),
    text, note, h("div", { class: "actions left" }, save, copying));
  refresh();
}

export function download(text, name) {
  const link = h("a", { href: URL.createObjectURL(new Blob([text], { type: "text/plain" })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
