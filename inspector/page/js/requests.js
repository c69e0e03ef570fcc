// The HTTP client of Play, and the history of its requests.
import { h, ask, time, saved, toast } from "./dom.js";
import { post } from "./api.js";
import { encode, kinds, kindSelect, byteString } from "./bytes.js";
import { isBytes, plain, target } from "./payload.js";
import { responseNode } from "./compose.js";

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
const maxRequests = 40; // in the history
const maxSize = 256 << 10; // characters of the whole history

const isRequest = (r) => ["method", "path", "headers", "body"].every((k) => typeof r?.[k] === "string") && kinds.includes(r.kind);

const isHistory = (list) => list.every(isRequest);

// same reports whether two requests are equal.
const same = (a, b) => ["method", "path", "headers", "body", "kind"].every((k) => a[k] === b[k]);

export function requestCard(shell) {
  const last = saved.get("play.request", { method: "GET", path: "/", headers: "", body: "", kind: "text" }, isRequest);
  const method = h("select", { "aria-label": "Method" }, (methods.includes(last.method) ? methods : [last.method, ...methods]).map((m) => h("option", { value: m, selected: m === last.method }, m)));
  const path = h("input", { value: last.path, "aria-label": "Path", spellcheck: false, autocomplete: "off" });
  const headers = h("textarea", { rows: 2, placeholder: "Name: value, one per line", value: last.headers, spellcheck: false });
  const body = h("textarea", { rows: 3, value: last.body, spellcheck: false });
  const kind = kindSelect("Encoding of the body", last.kind);
  const wrong = h("p", { class: "bad wrong", role: "alert" });
  const send = h("button", { class: "primary", title: "Ctrl+Enter" }, "Send");
  const out = h("div", { class: "answer", "aria-live": "polite" });
  const past = h("div", { class: "past" });

  const form = h("form", { onsubmit: go, onkeydown: (e) => { if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) { e.preventDefault(); form.requestSubmit(); } } },
    h("div", { class: "line" }, method, path, send),
    h("label", {}, "Headers", headers), h("label", {}, h("span", { class: "line" }, "Body as ", kind), body), wrong);

  function currentRequest() {
    return { method: method.value, path: path.value, headers: headers.value, body: body.value, kind: kind.value };
  }

  function fillForm(r) {
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
    const request = currentRequest();
    saved.set("play.request", request);
    wrong.textContent = "";
    let call;
    try {
      call = { method: request.method, path: request.path, headers: parseHeaders(request.headers), body: request.kind === "text" ? request.body : byteString(encode(request.kind, request.body)) };
    } catch (error) {
      wrong.textContent = error.message;
      return;
    }
    send.disabled = true;
    out.replaceChildren(h("p", { class: "muted" }, "Waiting for the response…"));
    try {
      const response = await post("play", call);
      addToHistory(request, response.status);
      out.replaceChildren(responseNode(response));
    } catch (error) {
      out.replaceChildren(h("p", { class: "bad" }, "No response: " + error.message));
      addToHistory(request, 0);
    }
    send.disabled = false;
  }

  function addToHistory(request, status) {
    const list = [{ ...request, status, at: Date.now() }, ...saved.get("play.requests", [], isHistory).filter((r) => !same(r, request))].slice(0, maxRequests);
    let size = 0;
    saveHistory(list.filter((r) => (size += r.body.length + r.headers.length + r.path.length) <= maxSize));
  }

  function saveHistory(list) {
    if (!saved.set("play.requests", list)) toast("The browser has no space for the history", true);
    draw();
  }

  function draw() {
    const list = saved.get("play.requests", [], isHistory);
    past.hidden = !list.length;
    past.replaceChildren(h("div", { class: "head" }, h("h3", {}, "History"), h("button", { class: "small", type: "button", onclick: clearHistory }, "Delete all…")),
      h("ul", {}, list.map((r, i) => h("li", {},
        h("button", { class: "pick row", title: "Copy to the form", onclick: () => { fillForm(r); path.focus(); } },
          h("b", {}, r.method), h("span", { class: "path" }, r.path), h("span", { class: "status s" + Math.floor((r.status || 500) / 100) }, r.status ? String(r.status) : "no response"), h("span", { class: "muted time" }, time(r.at))),
        h("button", { class: "small", onclick: () => { fillForm(r); go(); } }, "Send again"),
        h("button", { class: "small", "aria-label": `Delete ${r.method} ${r.path}`, onclick: () => saveHistory(list.filter((_, j) => j !== i)) }, "✕")))));
  }

  async function clearHistory() {
    if (await ask("Delete all requests from the history?", [], "Delete", true)) saveHistory([]);
  }

  draw();
  return h("section", { class: "card" }, h("h2", {}, "HTTP"), form, out, past);
}

// keepForPlay makes a recorded request the one that the form of Play begins with.
export function keepForPlay(message) {
  const binary = isBytes(message.body) && plain(message.body) === null;
  saved.set("play.request", {
    method: message.method, path: target(message), kind: binary ? "base64" : "text",
    headers: (message.headers || []).map(([name, value]) => `${plain(name)}: ${plain(value)}`).join("\n"),
    body: binary ? message.body.slice(1) : plain(message.body || ""),
  });
}

// parseHeaders reads headers, one per line. It throws an error for invalid lines.
function parseHeaders(text) {
  return text.split("\n").map((line, i) => [line.trim(), i + 1]).filter(([line]) => line).map(([line, number]) => {
    const at = line.indexOf(":");
    if (at < 1) throw new Error(`Line ${number} of the headers is not a header: "${line}". Write it like Accept: text/html.`);
    return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  });
}
