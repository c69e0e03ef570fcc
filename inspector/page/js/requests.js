// The HTTP client of Play, and the history of its requests.
import { h, ask, time, saved, toast } from "./dom.js";
import { post } from "./api.js";
import { encode, kinds, kindSelect, marked } from "./bytes.js";
import { answerNode } from "./compose.js";

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
const most = 40; // requests in the history
const room = 256 << 10; // characters that all of them may have

const isRequest = (r) => ["method", "path", "headers", "body"].every((k) => typeof r?.[k] === "string") && kinds.includes(r.kind);

const isHistory = (list) => list.every(isRequest);

// same is whether two requests ask for the same.
const same = (a, b) => ["method", "path", "headers", "body", "kind"].every((k) => a[k] === b[k]);

export function requestCard(shell) {
  const last = saved.get("play.request", { method: "GET", path: "/", headers: "", body: "", kind: "text" }, isRequest);
  const method = h("select", { "aria-label": "Method" }, (methods.includes(last.method) ? methods : [last.method, ...methods]).map((m) => h("option", { value: m, selected: m === last.method }, m)));
  const path = h("input", { value: last.path, "aria-label": "Path", spellcheck: false, autocomplete: "off" });
  const headers = h("textarea", { rows: 2, placeholder: "Name: value, one a line", value: last.headers, spellcheck: false });
  const body = h("textarea", { rows: 3, value: last.body, spellcheck: false });
  const kind = kindSelect("How the body is written", last.kind);
  const wrong = h("p", { class: "bad wrong", role: "alert" });
  const send = h("button", { class: "primary", title: "Ctrl+Enter" }, "Send");
  const out = h("div", { class: "answer", "aria-live": "polite" });
  const past = h("div", { class: "past" });

  const form = h("form", { onsubmit: go, onkeydown: (e) => { if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) { e.preventDefault(); form.requestSubmit(); } } },
    h("div", { class: "line" }, method, path, send),
    h("label", {}, "Headers", headers), h("label", {}, h("span", { class: "line" }, "Body, written as ", kind), body), wrong);

  function written() {
    return { method: method.value, path: path.value, headers: headers.value, body: body.value, kind: kind.value };
  }

  function write(r) {
    if (![...method.options].some((o) => o.value === r.method)) method.append(h("option", { value: r.method }, r.method));
    method.value = r.method;
    path.value = r.path;
    headers.value = r.headers;
    body.value = r.body;
    kind.value = r.kind;
    wrong.textContent = "";
  }

  async function go(e) {
    e?.preventDefault();
    const request = written();
    saved.set("play.request", request);
    wrong.textContent = "";
    let call;
    try {
      call = { method: request.method, path: request.path, headers: pairs(request.headers), body: request.kind === "text" ? request.body : marked(encode(request.kind, request.body)) };
    } catch (error) {
      wrong.textContent = error.message;
      return;
    }
    send.disabled = true;
    out.replaceChildren(h("p", { class: "muted" }, "Waits for the answer…"));
    try {
      const answer = await post("play", call);
      remember(request, answer.status);
      out.replaceChildren(answerNode(answer));
    } catch (error) {
      out.replaceChildren(h("p", { class: "bad" }, "No answer: " + error.message));
      remember(request, 0);
    }
    send.disabled = false;
  }

  function remember(request, status) {
    const list = [{ ...request, status, at: Date.now() }, ...saved.get("play.requests", [], isHistory).filter((r) => !same(r, request))].slice(0, most);
    let size = 0;
    keepHistory(list.filter((r) => (size += r.body.length + r.headers.length + r.path.length) <= room));
  }

  function keepHistory(list) {
    if (!saved.set("play.requests", list)) toast("The browser has no room to keep the history", true);
    draw();
  }

  function draw() {
    const list = saved.get("play.requests", [], isHistory);
    past.hidden = !list.length;
    past.replaceChildren(h("div", { class: "head" }, h("h3", {}, "History"), h("button", { class: "small", type: "button", onclick: forget }, "Delete all…")),
      h("ul", {}, list.map((r, i) => h("li", {},
        h("button", { class: "pick row", title: "Write it into the form", onclick: () => { write(r); path.focus(); } },
          h("b", {}, r.method), h("span", { class: "path" }, r.path), h("span", { class: "status s" + Math.floor((r.status || 500) / 100) }, r.status ? String(r.status) : "no answer"), h("span", { class: "muted time" }, time(r.at))),
        h("button", { class: "small", onclick: () => { write(r); go(); } }, "Again"),
        h("button", { class: "small", "aria-label": `Delete ${r.method} ${r.path}`, onclick: () => keepHistory(list.filter((_, j) => j !== i)) }, "✕")))));
  }

  async function forget() {
    if (await ask("Delete all requests from the history?", [], "Delete", true)) keepHistory([]);
  }

  draw();
  return h("section", { class: "card" }, h("h2", {}, "HTTP"), form, out, past);
}

// pairs reads headers, one a line, and throws what is wrong.
function pairs(text) {
  return text.split("\n").map((line, i) => [line.trim(), i + 1]).filter(([line]) => line).map(([line, number]) => {
    const at = line.indexOf(":");
    if (at < 1) throw new Error(`Line ${number} of the headers is none: "${line}". A header is like Accept: text/html.`);
    return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  });
}
