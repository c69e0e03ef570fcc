// The WebSocket clients of Play: several at once, in this page.
import { h, ask, bytes, clock, saved, setText, toast } from "./dom.js";
import { unopened } from "./address.js";
import { encode, kinds, kindSelect } from "./bytes.js";
import { hex } from "./payload.js";
import { badCode } from "./views/connections.js";

const lines = 300; // of a talk
const longest = 16 << 10; // characters of a frame that are shown
const most = 50; // frames in the history
const longestKept = 8 << 10; // characters of one in the history
const atOnce = 20;

const isFrames = (list) => list.every((f) => typeof f?.text === "string" && kinds.includes(f.kind));

// Sockets outlive a change of view: who looks at Messages wants them open.
const talks = [];
const list = h("div", { class: "sockets" });
const none = h("p", { class: "muted empty" }, "None open. Open two and see them meet in a group.");
const toAll = h("div", { class: "toall", hidden: true }, h("h3", {}, "To all that are open"),
  sender("The same to all", (data, shown) => {
    const open = talks.filter((t) => t.open());
    for (const t of open) t.send(data, shown);
    return open.length;
  }));

export function socketCard(shell) {
  count();
  requestAnimationFrame(() => talks.forEach((t) => t.settle()));
  return h("section", { class: "card" }, h("div", { class: "head" }, h("h2", {}, "WebSockets"), h("button", { class: "small", onclick: forget }, "Delete sent frames…")), opener(shell), toAll, none, list);
}

async function forget() {
  if (await ask("Delete all frames that were sent from the history?", [], "Delete", true)) saved.set("play.frames", []);
}

// count shows what depends on how many sockets there are.
function count() {
  none.hidden = talks.length > 0;
  toAll.hidden = talks.filter((t) => t.open()).length < 2;
}

function opener(shell) {
  const path = h("input", { name: "path", value: saved.get("play.wspath", "/"), "aria-label": "Path", spellcheck: false, autocomplete: "off" });
  const protocols = h("input", { name: "protocols", value: saved.get("play.protocols", ""), placeholder: "sub-protocols", "aria-label": "Sub-protocols", spellcheck: false });
  const number = h("input", { class: "count", name: "number", type: "number", min: 1, max: atOnce, value: "1", required: true, "aria-label": "How many", title: "How many to open" });
  return h("form", {
    class: "line", onsubmit: (e) => {
      e.preventDefault();
      saved.set("play.wspath", path.value);
      saved.set("play.protocols", protocols.value);
      if (!shell.app()) return toast("The server has not said yet where the application is. Is there a connection to it?", true);
      if (!path.value.startsWith("/")) return toast("A path begins with a slash", true);
      for (let i = 0; i < Number(number.value); i++) open(shell, path.value, protocols.value);
    },
  }, path, protocols, number, h("button", { class: "primary" }, "Open"));
}

function open(shell, path, protocols) {
  let socket;
  const app = shell.app();
  try {
    socket = new WebSocket(app.replace(/^http/, "ws").replace(/\/$/, "") + path, protocols.split(/[ ,]+/).filter(Boolean));
  } catch (error) {
    return toast(error.message, true);
  }
  socket.binaryType = "arraybuffer";
  const talk = new Talk();
  const state = h("span", { class: "tag" }, "connecting");
  const code = h("input", { class: "code", value: "1000", "aria-label": "Close code", title: "1000, or 3000 to 4999", inputMode: "numeric" });
  const me = {
    settle: () => { talk.node.scrollTop = talk.node.scrollHeight; },
    open: () => socket.readyState === WebSocket.OPEN,
    send(data, shown) {
      socket.send(data);
      talk.say("out", shown);
    },
  };
  const field = sender("Text to send", (data, shown) => {
    if (!me.open()) throw new Error("This socket is not open.");
    me.send(data, shown);
    return 1;
  });
  const close = h("button", { class: "small danger", onclick: () => {
    const problem = badCode(code.value) || (code.value !== "1000" && Number(code.value) < 3000 ? "A page may close with 1000, or 3000 to 4999." : "");
    if (problem) toast(problem, true);
    else socket.close(Number(code.value));
  } }, "Close");
  const card = h("article", { class: "socket" },
    h("header", {}, h("b", { class: "path", title: path }, path), state,
      h("span", { class: "right" }, code, close,
        h("button", { class: "small", "aria-label": "Remove", title: "Close and remove", onclick: () => { socket.close(); talks.splice(talks.indexOf(me), 1); card.remove(); count(); } }, "✕"))),
    talk.node, field);
  talks.push(me);
  list.append(card);
  count();
  socket.onopen = () => {
    setText(state, socket.protocol ? "open, " + socket.protocol : "open");
    state.classList.add("good");
    talk.say("event", "open");
    count();
  };
  socket.onmessage = (e) => talk.say("in", typeof e.data === "string" ? e.data : binary(new Uint8Array(e.data)));
  socket.onclose = (e) => {
    const opened = state.classList.contains("good");
    setText(state, opened ? "closed " + e.code : "not opened");
    state.classList.remove("good");
    talk.say("event", opened ? `closed ${e.code}${e.reason ? ": " + e.reason : ""}` : unopened(app));
    close.disabled = true;
    count();
  };
}

const binary = (data) => `${bytes(data.length)} binary\n${hex(data, 1024)}`;

// A Talk is what went over a socket. It is drawn once a frame of the screen,
// whatever comes.
class Talk {
  constructor() {
    this.node = h("div", { class: "talk", tabIndex: 0, role: "log", "aria-label": "Frames" });
    this.queue = [];
  }

  say(kind, text) {
    if (text.length > longest) text = text.slice(0, longest) + `… and ${text.length - longest} characters more`;
    this.queue.push([kind, text, Date.now()]);
    if (this.queue.length > lines) this.queue.shift();
    this.drawing ||= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.drawing = 0;
    const node = this.node;
    const end = node.scrollTop + node.clientHeight >= node.scrollHeight - 8;
    node.append(...this.queue.map(([kind, text, at]) => h("div", { class: "line " + kind },
      h("span", { class: "time" }, clock(at)), h("span", { class: "arrow", "aria-label": { out: "sent", in: "received", event: "" }[kind] }, { out: "→", in: "←", event: "·" }[kind]), h("pre", {}, text))));
    this.queue = [];
    while (node.children.length > lines) node.firstChild.remove();
    if (end) node.scrollTop = node.scrollHeight;
  }
}

// sender is a field to send frames from, with the history of what was sent.
// send is called with the data and how to show it; it throws what is wrong.
function sender(label, send) {
  const wrong = h("p", { class: "bad wrong", role: "alert" });
  const kind = kindSelect("How the frame is written");
  let at = -1; // in the history, the newest first
  const input = h("textarea", { rows: 1, placeholder: label === "Text to send" ? "A frame; Enter sends, ↑ brings back" : label, "aria-label": label, spellcheck: false, onkeydown: (e) => {
    const before = input.value.slice(0, input.selectionStart), after = input.value.slice(input.selectionEnd);
    if (e.key === "Enter" && !e.shiftKey) { e.preventDefault(); go(); }
    else if (e.key === "ArrowUp" && !before.includes("\n")) recall(1, e);
    else if (e.key === "ArrowDown" && !after.includes("\n")) recall(-1, e);
  } });

  function recall(step, e) {
    const history = saved.get("play.frames", [], isFrames);
    const to = Math.min(Math.max(at + step, -1), history.length - 1);
    if (to === at) return;
    e.preventDefault();
    at = to;
    input.value = at < 0 ? "" : history[at].text;
    if (at >= 0) kind.value = history[at].kind;
    input.setSelectionRange(input.value.length, input.value.length);
  }

  function go() {
    const text = input.value;
    setText(wrong, "");
    try {
      const data = kind.value === "text" ? text : encode(kind.value, text);
      if (!send(data, typeof data === "string" ? data : binary(data))) throw new Error("No socket is open.");
    } catch (error) {
      return setText(wrong, error.message);
    }
    if (text.length <= longestKept) {
      const frame = { kind: kind.value, text };
      saved.set("play.frames", [frame, ...saved.get("play.frames", [], isFrames).filter((f) => f.text !== text || f.kind !== frame.kind)].slice(0, most));
    }
    at = -1;
    input.value = "";
  }

  return h("div", { class: "sender" }, h("div", { class: "line" }, input, kind, h("button", { onclick: go }, "Send")), wrong);
}
