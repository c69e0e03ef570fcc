// Messages shown to people and copied for other programs.
import { h, bytes, copy, maxRows, number, rows, setText } from "./dom.js";
import { Num, entries, indented, parse, stringify } from "./exact.js";

const mark = "\uffff"; // start of a byte string in the layer's JSON

export const isBytes = (v) => typeof v === "string" && v.startsWith(mark) && !v.startsWith(mark + mark);

export function binary(v) {
  const raw = atob(v.slice(1));
  return Uint8Array.from(raw, (c) => c.charCodeAt(0));
}

// Control characters. Bytes that contain them are not shown as text.
const control = /[\u0000-\u0008\u000e-\u001f]/;

export function plain(v) {
  if (!isBytes(v)) return typeof v === "string" && v.startsWith(mark) ? v.slice(1) : v;
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(binary(v));
    return control.test(text) ? null : text;
  } catch {
    return null;
  }
}

const line = 16; // bytes per line

// hex formats bytes as offset, hexadecimal codes and letters.
export function hex(data, limit = 4096) {
  const lines = [];
  for (let at = 0; at < Math.min(data.length, limit); at += line) {
    const row = [...data.slice(at, at + line)];
    const codes = row.map((b) => b.toString(16).padStart(2, "0")).join(" ").padEnd(line * 3 - 1);
    const letters = row.map((b) => (b >= 32 && b < 127 ? String.fromCharCode(b) : "·")).join("");
    lines.push(at.toString(16).padStart(6, "0") + "  " + codes + "  " + letters);
  }
  if (data.length > limit) lines.push(`… and ${bytes(data.length - limit)} more`);
  return lines.join("\n");
}

const unindented = "(not indented, because it is too long or has too many levels)\n";

// pretty indents a text that is a JSON object or list. It returns null for other
// texts.
export function pretty(text) {
  if (!/^\s*[[{]/.test(text) || text.length > 1 << 20) return null;
  try {
    return indented(parse(text)) ?? unindented + text;
  } catch (error) {
    return error instanceof RangeError ? unindented + text : null; // too many levels for the stack
  }
}

// formats shows a value in one of several formats, with buttons to choose one.
function formats(title, list) {
  const brief = list[0][1]().length <= 60 && !list[0][1]().includes("\n");
  const body = h("pre");
  const buttons = list.map(([name, text]) => h("button", { class: "small", onclick: () => show(name) }, name));
  function show(name) {
    setText(body, list.find(([n]) => n === name)[1]());
    body.className = name === "hex" ? "hex" : "";
    box.classList.toggle("brief", brief && name === list[0][0]);
    for (const b of buttons) b.setAttribute("aria-pressed", b.textContent === name);
  }
  const box = h("div", { class: "shapes" }, h("p", {}, h("span", { class: "tag" }, title), list.length > 1 && buttons), body);
  show(list[0][0]);
  return box;
}

function bytesNode(v) {
  const data = binary(v);
  if (data.length === 0) return h("span", { class: "muted" }, "no bytes");
  const text = plain(v);
  const nice = text === null ? null : pretty(text);
  return formats("bytes, " + bytes(data.length), [
    nice !== null && ["JSON", () => nice], text !== null && ["text", () => text], ["hex", () => hex(data)],
  ].filter(Boolean));
}

function textNode(text) {
  const nice = pretty(text);
  if (nice !== null) return formats("text", [["JSON", () => nice], ["text", () => text]]);
  if (text === "") return h("span", { class: "muted" }, "empty text");
  return text.includes("\n") || text.length > 80 ? h("pre", {}, text) : h("span", { class: "text" }, text);
}

function headersNode(list) {
  return h("table", { class: "headers" }, rows(list, (pair) => h("tr", {}, h("th", {}, String(plain(pair[0]))), h("td", {}, String(plain(pair[1]))))));
}

export function valueNode(v, key) {
  if (v === null) return h("span", { class: "muted" }, "None");
  if (isBytes(v)) return bytesNode(v);
  if (typeof v === "string") return textNode(plain(v));
  if (v instanceof Num) return h("span", { class: "literal" }, v.text);
  if (typeof v !== "object") return h("span", { class: "literal" }, v === true ? "True" : v === false ? "False" : String(v));
  if (key === "headers" && Array.isArray(v) && v.every((p) => Array.isArray(p) && p.length === 2)) return headersNode(v);
  if (Array.isArray(v) && v.every((x) => typeof x !== "object" || x === null)) return h("code", {}, starlark(v));
  return h("pre", {}, indented(v, (s) => (isBytes(s) ? "bytes: " + (plain(s) ?? s.slice(1)) : s)) ?? unindented + stringify(v));
}

export function messageNode(message) {
  const fields = entries(message);
  if (!fields.length) return h("p", { class: "muted" }, "The message is empty.");
  return h("dl", { class: "message" }, fields.slice(0, maxRows).map(([key, v]) => [h("dt", {}, key), h("dd", {}, valueNode(v, key))]).flat(),
    fields.length > maxRows && h("dt", { class: "muted" }, `and ${number(fields.length - maxRows)} more`));
}

// json formats a message for editing. It escapes the mark of byte strings,
// which is invisible.
export const json = (message) => (indented(message) ?? stringify(message)).replaceAll(mark, "\\uffff");
export const byteHint = "A text that starts with \\uffff is a byte string in base64.";

// notJSON returns an error message if a text is not JSON.
export function notJSON(text, what) {
  try {
    JSON.parse(text);
  } catch (error) {
    return `The ${what} is not JSON: ${error.message}`;
  }
}

function starlark(v, indent = "") {
  if (v === null) return "None";
  if (v === true) return "True";
  if (v === false) return "False";
  if (isBytes(v)) return "b" + bytesLiteral(binary(v));
  if (typeof v === "string") return JSON.stringify(plain(v));
  if (v instanceof Num) return v.text;
  if (Array.isArray(v)) return "[" + v.map((x) => starlark(x, indent)).join(", ") + "]";
  if (typeof v === "object") {
    const inner = indent + "    ";
    const rows = entries(v).map(([k, x]) => `${inner}${JSON.stringify(k)}: ${starlark(x, inner)},`);
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

// Long bodies are piped in, because arguments have a limit; printf and echo are
// built into the shell.
const longest = 32 << 10; // characters

function withBody(lines, text) {
  if (text.length <= longest) return [...lines, "--data-raw " + quote(text)].join(" \\\n  ");
  return `printf %s ${quote(text)} | ` + [...lines, "--data-binary @-"].join(" \\\n  ");
}

// curl returns a command that sends a request, or, for other messages, that
// calls the layer over HTTP.
export function curl(channel, message, status) {
  if (channel !== "http.request" || !message.method) {
    const body = stringify({ channel, message }).replaceAll(mark, "\\uffff");
    const lines = [`curl -sS ${quote(location.origin + "/layer/send")}`, "-H 'Content-Type: application/json'"];
    if (status.token) lines.push('-H "Authorization: Bearer $ASGIBOX_TOKEN"');
    return withBody(lines, body);
  }
  // Brackets in a query are not ranges, dots in a path are sent, and the
  // development certificate is accepted.
  const lines = [(message.method === "HEAD" ? "curl -sSgI" : `curl -sSgi -X ${quote(message.method)}`) + " --path-as-is" + (status.app.startsWith("https:") ? " -k" : ""),
    quote(status.app.replace(/\/$/, "") + target(message))];
  const skip = new Set(["host", "content-length", "connection", "transfer-encoding", "accept-encoding"]);
  const headers = (message.headers || []).map(([name, value]) => [latin(name), latin(value)]).filter(([name]) => !skip.has(name.toLowerCase()));
  for (const [name, value] of headers) lines.push("-H " + quote(value ? name + ": " + value : name + ";"));
  if (!message.body) return lines.join(" \\\n  ");
  if (!headers.some(([name]) => name.toLowerCase() === "content-type")) lines.push("-H 'Content-Type:'");
  const text = plain(message.body);
  if (text !== null) return withBody(lines, text);
  return `echo ${message.body.slice(1)} | base64 -d | ` + [...lines, "--data-binary @-"].join(" \\\n  ");
}

// latin returns a text, or bytes as Latin-1 text.
const latin = (v) => plain(v) ?? String.fromCharCode(...binary(v));

export function target(message) {
  const query = message.query_string ? plain(message.query_string) : "";
  return encodeURI(message.path || "/").replaceAll("?", "%3F").replaceAll("#", "%23") + (query ? "?" + query : "");
}

export function copyButtons(channel, message, status) {
  return h("span", { class: "copies" }, "Copy as ",
    h("button", { class: "small", onclick: () => copy(json(message), "JSON") }, "JSON"),
    h("button", { class: "small", onclick: () => copy(curl(channel, message, status()), "curl") }, "curl"),
    h("button", { class: "small", onclick: () => copy(`layer.send(${JSON.stringify(channel)}, ${starlark(message)})`, "Starlark") }, "Starlark"));
}
