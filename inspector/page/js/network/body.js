// Bodies of requests and responses, formatted by their content type. They are shown
// as text and tables; only images are drawn, from data: URLs. An SVG is text: a small
// one can take a browser hours to draw.
import { h, bytes, rows } from "../dom.js";
import { hex, isBytes, binary, plain, pretty } from "../payload.js";

const maxText = 256 << 10; // bytes shown as text or decoded
const maxImage = 4 << 20; // bytes
const maxPixels = 1 << 24; // of an image
const images = new Set(["png", "jpeg", "gif", "webp", "avif", "bmp", "x-icon", "vnd.microsoft.icon"].map((t) => "image/" + t));

// bytesOf returns the bytes of a text or a byte string of a message.
export function bytesOf(v) {
  if (!v) return new Uint8Array();
  return isBytes(v) ? binary(v) : new TextEncoder().encode(plain(v));
}

// joined returns the bytes of several parts.
export function joined(parts) {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) { all.set(p, at); at += p.length; }
  return all;
}

// textOf returns bytes as text, or null if they are not text.
function textOf(data) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(data);
    return /[\u0000-\u0008\u000e-\u001f]/.test(text) ? null : text;
  } catch {
    return null;
  }
}

const mediaOf = (type) => type.split(";")[0].trim().toLowerCase();
const parameter = (text, name) => text.match(new RegExp(`(?:^|[;\\s])${name}="?([^";]*)"?`, "i"))?.[1];

// bodyNode shows a body. type is its Content-Type, encoding its Content-Encoding.
// chosen holds the name of the format that the reader has chosen, if any.
export function bodyNode(data, type = "", encoding = "", chosen = {}) {
  if (!data.length) return h("p", { class: "muted" }, "The body is empty.");
  const box = h("div", { class: "bodybox" });
  if (/^(gzip|deflate)$/i.test(encoding)) {
    box.append(choices(data, "", chosen, encoding + ", compressed"));
    decompress(data, encoding.toLowerCase()).then((plain) => box.replaceChildren(choices(plain, type, chosen, `${bytes(data.length)} ${encoding}, decompressed`)), () => {});
  } else box.append(choices(data, type, chosen, mediaOf(type) || "no content type"));
  return box;
}

// decompress returns the beginning of the text, with at least one byte more than is
// shown if there are more. It reads few bytes at a time, because each of them may
// become a thousand.
export async function decompress(data, encoding) {
  let at = 0;
  const slices = new ReadableStream({ pull: (c) => (at < data.length ? c.enqueue(data.subarray(at, at += 256)) : c.close()) });
  const reader = slices.pipeThrough(new DecompressionStream(encoding)).getReader();
  const parts = [];
  let size = 0;
  for (let next = await reader.read(); !next.done && size <= maxText; next = await reader.read()) {
    parts.push(next.value);
    size += next.value.length;
  }
  reader.cancel().catch(() => {});
  return joined(parts);
}

// choices shows data in one of several formats, with buttons to choose one.
function choices(data, type, chosen, about) {
  const media = mediaOf(type), cut = data.length > maxText;
  const text = textOf(cut ? data.subarray(0, maxText - maxText % 4) : data) ?? (cut ? textOf(atLetter(data)) : null);
  const nice = text !== null && !cut ? pretty(text) : null;
  const table = cut ? null : form(data, text, type);
  const list = [
    images.has(media) && data.length <= maxImage && ["image", () => image(data, media)],
    table && ["form", () => table],
    nice !== null && ["JSON", () => h("pre", {}, nice)],
    text !== null && ["text", () => h("pre", {}, text)],
    ["hex", () => h("pre", { class: "hex" }, hex(data))],
  ].filter(Boolean);
  const body = h("div", { class: "formatted" });
  const buttons = list.map(([name]) => h("button", { class: "small", type: "button", onclick: () => { chosen.name = name; show(name); } }, name));
  function show(name) {
    body.replaceChildren(list.find(([n]) => n === name)[1]());
    for (const b of buttons) b.setAttribute("aria-pressed", b.textContent === name);
  }
  show(list.some(([name]) => name === chosen.name) ? chosen.name : list[0][0]);
  return h("div", {}, h("p", { class: "formats" }, h("span", { class: "tag" }, `${about}, ${bytes(data.length)}`), list.length > 1 && buttons,
    cut && text !== null && h("span", { class: "muted" }, `the first ${bytes(maxText)}`)), body);
}

// atLetter returns the beginning of data up to the start of a letter of UTF-8.
function atLetter(data) {
  let end = maxText - 4;
  while (end > 0 && (data[end] & 0xc0) === 0x80) end--;
  return data.subarray(0, end);
}

function base64(data) {
  let out = "";
  for (let at = 0; at < data.length; at += 0x8000) out += String.fromCharCode(...data.subarray(at, at + 0x8000));
  return btoa(out);
}

// image shows an image, unless it is so large that drawing it would stop the page.
function image(data, media) {
  const size = h("figcaption", { class: "muted" }), figure = h("figure", { class: "picture" }, size);
  const node = h("img", {
    alt: "The body as an image", src: `data:${media};base64,${base64(data)}`,
    onload: () => {
      const { naturalWidth: width, naturalHeight: height } = node, large = width * height > maxPixels;
      size.textContent = `${width} × ${height}` + (large ? ", too large to be drawn" : "");
      if (!large) figure.prepend(node);
    },
    onerror: () => { size.textContent = "This is not a valid image."; },
  });
  return figure;
}

// form returns the table of a form, or null if the body is none.
function form(data, text, type) {
  const media = mediaOf(type);
  if (media === "application/x-www-form-urlencoded" && text !== null) return fields([...new URLSearchParams(text)]);
  const boundary = media === "multipart/form-data" && parameter(type, "boundary");
  const parts = boundary && multipart(data, boundary);
  return parts ? fields(parts.map((p) => [p.name, p]), partNode) : null;
}

// fields returns a table of names and values. A node shows a value.
export const fields = (list, node = (value) => value) => (list.length ? h("table", { class: "headers fields" }, rows(list, ([name, value]) => h("tr", {}, h("th", {}, name), h("td", {}, node(value)))))
  : h("p", { class: "muted" }, "The form has no fields."));

function partNode({ data, file, type }) {
  if (file === undefined) return textOf(data) ?? h("pre", { class: "hex" }, hex(data, 256));
  const media = mediaOf(type);
  return h("div", {}, h("span", {}, `${file || "file without a name"} `), h("span", { class: "muted" }, `${media || "no type"}, ${bytes(data.length)}`),
    images.has(media) ? image(data, media) : data.length && textOf(data.subarray(0, 2048)) !== null ? h("pre", {}, textOf(data.subarray(0, 2048))) : "");
}

// multipart returns the parts of a form, or null if it is not valid or not
// complete.
function multipart(data, boundary) {
  const latin = Array.from(data, (b) => String.fromCharCode(b)).join("");
  const pieces = ("\r\n" + latin).split("\r\n--" + boundary);
  if (pieces.length < 3 || !pieces.at(-1).startsWith("--")) return null;
  const parts = [];
  for (const piece of pieces.slice(1, -1)) {
    const end = piece.indexOf("\r\n\r\n");
    if (end < 0) return null;
    const head = utf8(piece.slice(2, end)), line = head.split("\r\n").find((l) => /^content-disposition:/i.test(l)) || "";
    parts.push({
      name: parameter(line, "name") ?? "", file: parameter(line, "filename"), type: head.match(/^content-type:\s*(.*)$/im)?.[1].trim() || "",
      data: octets(piece.slice(end + 4)),
    });
  }
  return parts;
}

const octets = (latin) => Uint8Array.from(latin, (c) => c.charCodeAt(0));
const utf8 = (latin) => new TextDecoder().decode(octets(latin));
