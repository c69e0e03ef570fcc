// The WebSocket clients of Play.
import { h, ask, bytes, clock, saved, setText, toast } from "./dom.js";
import { handshakeError } from "./address.js";
import { encode, kinds, kindSelect } from "./bytes.js";
import { hex } from "./payload.js";
import { badCode } from "./views/connections.js";

const maxLines = 300; // of a log
const maxShown = 16 << 10; // characters of a frame
const maxFrames = 50; // in the history
const maxSaved = 8 << 10; // characters of a frame in the history
const maxOpened = 20; // at once

const isFrames = (list) => list.every((f) => typeof f?.text === "string" && kinds.includes(f.kind));

// Sockets stay open when the view changes.
const sockets = [];
const list = h("div", { class: "sockets" });
const none = h("p", { class: "muted empty" }, "No sockets. Open two to see how they share a group.");
const toAll = h("div", { class: "toall", hidden: true }, h("h3", {}, "To all open sockets"),
  sender("Text to send to all", (data, shown) => {
    const open = sockets.filter((t) => t.open());
    for (const t of open) t.send(data, shown);
    return open.length;
  }));

export function socketCard(shell) {
  updateCount();
  requestAnimationFrame(() => sockets.forEach((s) => s.scrollDown()));
  return h("section", { class: "card" }, h("div", { class: "head" }, h("h2", {}, "WebSockets"), h("button", { class: "small", onclick: clearHistory }, "Delete history…")), opener(shell), toAll, none, list);
}

async function clearHistory() {
  if (await ask("Delete the history of sent frames?", [], "Delete", true)) saved.set("play.frames", []);
}

// updateCount shows and hides nodes by the number of sockets.
function updateCount() {
  none.hidden = sockets.length > 0;
  toAll.hidden = sockets.filter((t) => t.open()).length < 2;
}

function opener(shell) {
  const path = h("input", { name: "path", value: saved.get("play.wspath", "/"), "aria-label": "Path", spellcheck: false, autocomplete: "off" });
  const protocols = h("input", { name: "protocols", value: saved.get("play.protocols", ""), placeholder: "subprotocols", "aria-label": "Subprotocols", spellcheck: false });
  const number = h("input", { class: "count", name: "number", type: "number", min: 1, max: maxOpened, value: "1", required: true, "aria-label": "How many", title: "How many to open" });
  return h("form", {
    class: "line", onsubmit: (e) => {
      e.preventDefault();
      saved.set("play.wspath", path.value);
      saved.set("play.protocols", protocols.value);
      if (!shell.app()) return toast("The address of the application is not known yet. Is there a connection to the server?", true);
      if (!path.value.startsWith("/")) return toast("A path must begin with a slash", true);
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
  const log = new FrameLog();
  const state = h("span", { class: "tag" }, "connecting");
  const code = h("input", { class: "code", value: "1000", "aria-label": "Close code", title: "1000, or 3000 to 4999", inputMode: "numeric" });
  const me = {
    scrollDown: () => { log.node.scrollTop = log.node.scrollHeight; },
    open: () => socket.readyState === WebSocket.OPEN,
    send(data, shown) {
      socket.send(data);
      log.add("out", shown);
    },
  };
  const field = sender("Text to send", (data, shown) => {
    if (!me.open()) throw new Error("This socket is not open.");
    me.send(data, shown);
    return 1;
  });
  const close = h("button", { class: "small danger", onclick: () => {
    const problem = badCode(code.value) || (code.value !== "1000" && Number(code.value) < 3000 ? "A page can close only with 1000 or 3000 to 4999." : "");
    if (problem) toast(problem, true);
    else socket.close(Number(code.value));
  } }, "Close");
  const card = h("article", { class: "socket" },
    h("header", {}, h("b", { class: "path", title: path }, path), state,
      h("span", { class: "right" }, code, close,
        h("button", { class: "small", "aria-label": "Remove", title: "Close and remove", onclick: () => { socket.close(); sockets.splice(sockets.indexOf(me), 1); card.remove(); updateCount(); } }, "✕"))),
    log.node, field);
  sockets.push(me);
  list.append(card);
  updateCount();
  socket.onopen = () => {
    setText(state, socket.protocol ? "open, " + socket.protocol : "open");
    state.classList.add("good");
    log.add("event", "open");
    updateCount();
  };
  socket.onmessage = (e) => log.add("in", typeof e.data === "string" ? e.data : binary(new Uint8Array(e.data)));
  socket.onclose = (e) => {
    const opened = state.classList.contains("good");
    setText(state, opened ? "closed " + e.code : "failed");
    state.classList.remove("good");
    log.add("event", opened ? `closed ${e.code}${e.reason ? ": " + e.reason : ""}` : handshakeError(app));
    close.disabled = true;
    updateCount();
  };
}

const binary = (data) => `${bytes(data.length)} binary\n${hex(data, 1024)}`;

// FrameLog is the list of frames of a socket. It is drawn at most once per
// screen refresh.
class FrameLog {
  constructor() {
    this.node = h("div", { class: "talk", tabIndex: 0, role: "log", "aria-label": "Frames" });
    this.queue = [];
  }

  add(kind, text) {
    if (text.length > maxShown) text = text.slice(0, maxShown) + `… and ${text.length - maxShown} more characters`;
    this.queue.push([kind, text, Date.now()]);
    if (this.queue.length > maxLines) this.queue.shift();
    this.drawing ||= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.drawing = 0;
    const node = this.node;
    const end = node.scrollTop + node.clientHeight >= node.scrollHeight - 8;
    node.append(...this.queue.map(([kind, text, at]) => h("div", { class: "line " + kind },
      h("span", { class: "time" }, clock(at)), h("span", { class: "arrow", "aria-label": { out: "sent", in: "received", event: "" }[kind] }, { out: "→", in: "←", event: "·" }[kind]), h("pre", {}, text))));
    this.queue = [];
    while (node.children.length > maxLines) node.firstChild.remove();
    if (end) node.scrollTop = node.scrollHeight;
  }
}

// sender returns a field that sends frames, with a history. It calls send with
// the data and the text to show. Send returns to how many sockets it was sent,
function sender(label, send) {
  const wrong = h("p", { class: "bad wrong", role: "alert" });
  const kind = kindSelect("Encoding of the frame");
  let at = -1; // index in the history, the newest first
  const input = h("textarea", { rows: 1, placeholder: label === "Text to send" ? "Frame; Enter sends, ↑ shows earlier frames" : label, "aria-label": label, spellcheck: false, onkeydown: (e) => {
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
    if (text.length <= maxSaved) {
      const frame = { kind: kind.value, text };
      saved.set("play.frames", [frame, ...saved.get("play.frames", [], isFrames).filter((f) => f.text !== text || f.kind !== frame.kind)].slice(0, maxFrames));
    }
    at = -1;
    input.value = "";
  }

  return h("div", { class: "sender" }, h("div", { class: "line" }, input, kind, h("button", { onclick: go }, "Send")), wrong);
}
