// Bytes as people write them: text, hexadecimal or base64.
import { h } from "./dom.js";

export const kinds = ["text", "hex", "base64"];

// encode answers the bytes of what was written, and throws what is wrong.
export function encode(kind, text) {
  if (kind === "text") return new TextEncoder().encode(text);
  const bare = text.replace(/\s+/g, "");
  if (kind === "hex") {
    const bad = bare.match(/[^0-9a-f]/i);
    if (bad) throw new Error(`Hexadecimal has the digits 0 to 9 and a to f, and "${bad[0]}" is none.`);
    if (bare.length % 2) throw new Error("Hexadecimal has two digits a byte; one is missing.");
    return Uint8Array.from(bare.match(/../g) || [], (pair) => parseInt(pair, 16));
  }
  try {
    return Uint8Array.from(atob(bare), (c) => c.charCodeAt(0));
  } catch {
    throw new Error("This is not base64: it has letters, digits, + and /, four for three bytes, and = at the end.");
  }
}

// base64 writes bytes without running out of arguments.
function base64(data) {
  let out = "";
  for (let at = 0; at < data.length; at += 0x8000) out += String.fromCharCode(...data.subarray(at, at + 0x8000));
  return btoa(out);
}

// marked is a byte string in the layer's JSON.
export const marked = (data) => "\uffff" + base64(data);

export const kindSelect = (label, kind = "text") => h("select", { "aria-label": label }, kinds.map((k) => h("option", { value: k, selected: k === kind }, k)));
