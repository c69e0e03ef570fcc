// Clients in the page, so that a prototype needs no front end yet. What is
// written is kept in this browser.
import { h, clock, took, bytes, toast } from "../dom.js";
import { attempt, post } from "../api.js";
import { valueNode } from "../payload.js";

const saved = {
  get(key, otherwise) { try { return JSON.parse(localStorage.getItem("play." + key)) ?? otherwise; } catch { return otherwise; } },
  set(key, value) { localStorage.setItem("play." + key, JSON.stringify(value)); },
};

// Sockets outlive a change of view: who looks at Messages wants them open.
const sockets = [];
const socketList = h("div", { class: "sockets" });

export function play(shell) {
  const node = h("div", { class: "play" }, http(shell), h("section", { class: "card" },
    h("h2", {}, "WebSockets"), opener(shell), socketList));
  if (!sockets.length && !socketList.firstChild) socketList.append(h("p", { class: "muted empty" }, "None open. Open two and see them meet in a group."));
  return { node };
}

function opener(shell) {
  const path = h("input", { name: "path", value: saved.get("wspath", "/"), "aria-label": "Path", spellcheck: false });
  const protocols = h("input", { name: "protocols", value: saved.get("protocols", ""), placeholder: "sub-protocols", "aria-label": "Sub-protocols", spellcheck: false });
  return h("form", { class: "line", onsubmit: (e) => { e.preventDefault(); saved.set("wspath", path.value); saved.set("protocols", protocols.value); open(shell, path.value, protocols.value); } },
    path, protocols, h("button", { class: "primary" }, "Open"));
}

function open(shell, path, protocols) {
  const url = shell.app().replace(/^http/, "ws") + path;
  let socket;
  try {
    socket = new WebSocket(url, protocols.split(/[ ,]+/).filter(Boolean));
  } catch (error) {
    return toast(error.message, true);
  }
  socket.binaryType = "arraybuffer";
  if (!sockets.length) socketList.replaceChildren();
  sockets.push(socket);
  const log = h("div", { class: "talk" });
  const state = h("span", { class: "tag" }, "connecting");
  const history = saved.get("sent", []);
  let at = history.length;
  const input = h("textarea", { rows: 1, placeholder: "Text; Enter sends, Shift+Enter is a new line, ↑ brings back", "aria-label": "Text to send", onkeydown: (e) => {
    if (e.key === "Enter" && !e.shiftKey) { e.preventDefault(); send(); }
    else if (e.key === "ArrowUp" && !input.value.includes("\n") && at > 0) { input.value = history[--at] ?? ""; e.preventDefault(); }
    else if (e.key === "ArrowDown" && at < history.length) { input.value = history[++at] ?? ""; e.preventDefault(); }
  } });
  const say = (kind, text) => {
    log.append(h("div", { class: "line " + kind }, h("span", { class: "time" }, clock(Date.now())), h("span", { class: "arrow" }, { out: "→", in: "←", note: "·" }[kind]), h("pre", {}, text)));
    while (log.children.length > 300) log.firstChild.remove();
    log.scrollTop = log.scrollHeight;
  };
  function send() {
    if (socket.readyState !== WebSocket.OPEN) return toast("This socket is not open", true);
    socket.send(input.value);
    say("out", input.value);
    if (history[history.length - 1] !== input.value) history.push(input.value);
    saved.set("sent", history.slice(-50));
    at = history.length;
    input.value = "";
  }
  const code = h("input", { class: "code", value: "1000", "aria-label": "Close code", size: 5 });
  const card = h("article", { class: "socket" },
    h("header", {}, h("b", {}, path), state,
      h("span", { class: "right" }, code, h("button", { class: "small danger", onclick: () => { try { socket.close(Number(code.value) || 1000); } catch (error) { toast(error.message, true); } } }, "Close"),
        h("button", { class: "small", "aria-label": "Remove", onclick: () => { socket.close(); sockets.splice(sockets.indexOf(socket), 1); card.remove(); } }, "✕"))),
    log, h("div", { class: "line" }, input, h("button", { onclick: send }, "Send")));
  socketList.append(card);
  socket.onopen = () => { state.textContent = socket.protocol ? "open, " + socket.protocol : "open"; state.classList.add("good"); say("note", "open"); input.focus(); };
  socket.onmessage = (e) => say("in", typeof e.data === "string" ? e.data : `${e.data.byteLength} bytes: ` + [...new Uint8Array(e.data.slice(0, 64))].map((b) => b.toString(16).padStart(2, "0")).join(" "));
  socket.onclose = (e) => { state.textContent = "closed " + e.code; state.classList.remove("good"); say("note", `closed ${e.code}${e.reason ? ": " + e.reason : ""}`); };
}

function http(shell) {
  const last = saved.get("request", { method: "GET", path: "/", headers: "", body: "" });
  const method = h("select", { "aria-label": "Method" }, ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"].map((m) => h("option", { selected: m === last.method }, m)));
  const path = h("input", { value: last.path, "aria-label": "Path", spellcheck: false });
  const headers = h("textarea", { rows: 2, placeholder: "Name: value, one a line", value: last.headers, spellcheck: false });
  const body = h("textarea", { rows: 3, placeholder: "Body", value: last.body, spellcheck: false });
  const out = h("div", { class: "answer" });
  const past = h("datalist", { id: "paths" }, saved.get("paths", []).map((p) => h("option", { value: p })));
  path.setAttribute("list", "paths");

  async function go(e) {
    e.preventDefault();
    const request = { method: method.value, path: path.value, headers: headers.value, body: body.value };
    saved.set("request", request);
    saved.set("paths", [...new Set([path.value, ...saved.get("paths", [])])].slice(0, 30));
    const pairs = headers.value.split("\n").map((l) => l.split(/:\s*/)).filter((p) => p.length > 1).map(([name, ...rest]) => [name.trim(), rest.join(": ").trim()]);
    out.replaceChildren(h("p", { class: "muted" }, "…"));
    const answer = await attempt(post("play", { method: request.method, path: request.path, headers: pairs, body: request.body }));
    if (!answer) return out.replaceChildren();
    out.replaceChildren(
      h("p", { class: "facts" }, h("b", { class: "status s" + Math.floor(answer.status / 100) }, answer.status), h("span", {}, took(answer.durationMs)), h("span", {}, bytes(answer.bytes)), answer.cut ? h("span", {}, "cut") : ""),
      h("details", {}, h("summary", {}, `${answer.headers.length} headers`), valueNode(answer.headers, "headers")),
      h("pre", { class: "body" }, pretty(answer)));
  }
  return h("section", { class: "card" }, h("h2", {}, "HTTP"), past,
    h("form", { onsubmit: go }, h("div", { class: "line" }, method, path, h("button", { class: "primary" }, "Send")),
      h("label", {}, "Headers", headers), h("label", {}, "Body", body)), out);
}

function pretty(answer) {
  const type = answer.headers.find((p) => p[0] === "content-type")?.[1] || "";
  if (type.includes("json")) {
    try { return JSON.stringify(JSON.parse(answer.body), null, 2); } catch { /* as it came */ }
  }
  return answer.binary ? "base64: " + answer.body : answer.body;
}
