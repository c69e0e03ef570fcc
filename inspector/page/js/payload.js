// Messages as people read them, and as others take them.
import { h, bytes, copy } from "./dom.js";

const mark = "\uffff"; // begins a byte string in the layer's JSON

export const isBytes = (v) => typeof v === "string" && v.startsWith(mark) && !v.startsWith(mark + mark);

export function binary(v) {
  const raw = atob(v.slice(1));
  return Uint8Array.from(raw, (c) => c.charCodeAt(0));
}

// What nobody writes in a text, so that bytes with it are shown as bytes.
const control = /[\u0000-\u0008\u000e-\u001f]/;

export function plain(v) {
  if (!isBytes(v)) return typeof v === "string" && v.startsWith(mark) ? v.slice(1) : v;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(binary(v));
    return control.test(text) ? null : text;
  } catch {
    return null;
  }
}

function hex(data) {
  const lines = [];
  for (let at = 0; at < Math.min(data.length, 4096); at += 16) {
    const row = [...data.slice(at, at + 16)];
    const codes = row.map((b) => b.toString(16).padStart(2, "0")).join(" ").padEnd(47);
    const letters = row.map((b) => (b >= 32 && b < 127 ? String.fromCharCode(b) : "·")).join("");
    lines.push(at.toString(16).padStart(6, "0") + "  " + codes + "  " + letters);
  }
  if (data.length > 4096) lines.push(`… and ${bytes(data.length - 4096)} more`);
  return lines.join("\n");
}

function bytesNode(v) {
  const data = binary(v);
  const asText = plain(v);
  if (data.length === 0) return h("span", { class: "muted" }, "no bytes");
  const body = h("pre", {}, asText ?? hex(data));
  if (asText === null) return h("div", {}, h("span", { class: "tag" }, bytes(data.length)), body);
  let shown = true;
  const toggle = h("button", {
    class: "small", title: "Show as text or in hexadecimal",
    onclick: () => { shown = !shown; body.textContent = shown ? asText : hex(data); toggle.textContent = shown ? "hex" : "text"; },
  }, "hex");
  return h("div", { class: "bytes" }, h("span", { class: "tag" }, "bytes " + data.length), toggle, body);
}

function headersNode(list) {
  return h("table", { class: "headers" }, h("tbody", {},
    list.map((pair) => h("tr", {}, h("th", {}, String(plain(pair[0]))), h("td", {}, String(plain(pair[1])))))));
}

export function valueNode(v, key) {
  if (v === null) return h("span", { class: "muted" }, "None");
  if (isBytes(v)) return bytesNode(v);
  if (typeof v === "string") return v.includes("\n") || v.length > 80 ? h("pre", {}, plain(v)) : h("span", { class: "text" }, plain(v));
  if (typeof v !== "object") return h("span", { class: "literal" }, v === true ? "True" : v === false ? "False" : String(v));
  if (key === "headers" && Array.isArray(v) && v.every((p) => Array.isArray(p) && p.length === 2)) return headersNode(v);
  if (Array.isArray(v) && v.every((x) => typeof x !== "object" || x === null)) return h("code", {}, starlark(v));
  return h("pre", {}, JSON.stringify(v, (k, x) => (isBytes(x) ? "bytes: " + (plain(x) ?? x.slice(1)) : x), 2));
}

export function messageNode(message) {
  return h("dl", { class: "message" },
    Object.entries(message).map(([key, v]) => [h("dt", {}, key), h("dd", {}, valueNode(v, key))]).flat());
}

export function starlark(v, indent = "") {
  if (v === null) return "None";
  if (v === true) return "True";
  if (v === false) return "False";
  if (isBytes(v)) return "b" + bytesLiteral(binary(v));
  if (typeof v === "string") return JSON.stringify(plain(v));
  if (Array.isArray(v)) return "[" + v.map((x) => starlark(x, indent)).join(", ") + "]";
  if (typeof v === "object") {
    const inner = indent + "    ";
    const rows = Object.entries(v).map(([k, x]) => `${inner}${JSON.stringify(k)}: ${starlark(x, inner)},`);
    return rows.length ? "{\n" + rows.join("\n") + "\n" + indent + "}" : "{}";
  }
  return String(v);
}

function bytesLiteral(data) {
  let out = '"';
  for (const b of data) {
    if (b === 34 || b === 92) out += "\\" + String.fromCharCode(b);
    else if (b === 10) out += "\\n";
    else if (b === 13) out += "\\r";
    else if (b >= 32 && b < 127) out += String.fromCharCode(b);
    else out += "\\x" + b.toString(16).padStart(2, "0");
  }
  return out + '"';
}

const quote = (s) => "'" + s.replaceAll("'", "'\\''") + "'";

// curl writes a request as it would be made from a terminal, and any other
// message as a call of the layer over HTTP.
export function curl(channel, message, app) {
  if (channel !== "http.request" || !message.method) {
    const body = JSON.stringify({ channel, message });
    return `curl -sS ${location.origin}/layer/send -H 'Content-Type: application/json' --data ${quote(body)}`;
  }
  const skip = new Set(["host", "content-length", "connection", "accept-encoding"]);
  const lines = [`curl -sS -i -X ${message.method} ${quote(app + target(message))}`];
  for (const [name, value] of message.headers || []) {
    if (!skip.has(plain(name))) lines.push(`-H ${quote(plain(name) + ": " + plain(value))}`);
  }
  const body = message.body ? plain(message.body) : "";
  if (body) lines.push(`--data-binary ${quote(body)}`);
  return lines.join(" \\\n  ");
}

export function target(message) {
  const query = message.query_string ? plain(message.query_string) : "";
  return encodeURI(message.path || "/").replaceAll("?", "%3F").replaceAll("#", "%23") + (query ? "?" + query : "");
}

export function copyButtons(channel, message, app) {
  return h("span", { class: "copies" }, "Copy as ",
    h("button", { class: "small", onclick: () => copy(JSON.stringify(message, null, 2), "JSON") }, "JSON"),
    h("button", { class: "small", onclick: () => copy(curl(channel, message, app()), "curl") }, "curl"),
    h("button", { class: "small", onclick: () => copy(`layer.send(${JSON.stringify(channel)}, ${starlark(message)})`, "Starlark") }, "Starlark"));
}
