// Bytes written as text, hexadecimal or base64.
import { h } from "./dom.js";

export const kinds = ["text", "hex", "base64"];

// encode returns the bytes of a text in that encoding. It throws an error if the
// text is not valid.
export function encode(kind, text) {
  if (kind === "text") return new TextEncoder().encode(text);
  const bare = text.replace(/\s+/g, "");
  if (kind === "hex") {
    const bad = bare.match(/[^0-9a-f]/i);
    if (bad) throw new Error(`"${bad[0]}" is not a hexadecimal digit. Use 0 to 9 and a to f.`);
    if (bare.length % 2) throw new Error("Hexadecimal needs two digits for each byte; one is missing.");
    return Uint8Array.from(bare.match(/../g) || [], (pair) => parseInt(pair, 16));
  }
  try {
    return Uint8Array.from(atob(bare), (c) => c.charCodeAt(0));
  } catch {
    throw new Error("This is not base64. Base64 has letters, digits, + and /, four for each three bytes, and = at the end.");
  }
}

// base64 encodes bytes in parts, because a call can have only so many arguments.
function base64(data) {
  let out = "";
  for (let at = 0; at < data.length; at += 0x8000) out += String.fromCharCode(...data.subarray(at, at + 0x8000));
  return btoa(out);
}

// byteString returns bytes as a byte string in the layer's JSON.
export const byteString = (data) => "\uffff" + base64(data);

export const kindSelect = (label, kind = "text") => h("select", { "aria-label": label }, kinds.map((k) => h("option", { value: k, selected: k === kind }, k)));
