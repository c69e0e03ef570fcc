// JSON without loss. JavaScript changes numbers like 1.0 and large integers, and
// moves keys like "10" to the front of an object.

// A Num is a number that JavaScript would change, as it was written.
export class Num {
  constructor(text) { this.text = text; }
  valueOf() { return Number(this.text); }
  toString() { return this.text; }
  toJSON() { return this.text; }
}

const orders = new WeakMap(); // keys in order, of objects that do not keep it
const ordered = { toJSON() { return entries(this); } };

// entries returns the keys and values of an object in the order of its JSON.
export const entries = (object) => (orders.get(object) ?? Object.keys(object)).map((key) => [key, object[key]]);

function objectOf(list) {
  const object = Object.fromEntries(list);
  const keys = [...new Set(list.map(([key]) => key))];
  if (Object.keys(object).some((key, i) => key !== keys[i])) {
    Object.setPrototypeOf(object, ordered);
    orders.set(object, keys);
  }
  return object;
}

// A token is a bracket, colon or comma, the quote that begins a text, or a word.
const token = /\s*([{}[\]:,"]|[^\s{}[\]:,"]+)/y;

// endOfText returns the index after the text whose first quote is at an index.
function endOfText(json, at) {
  for (at++; json[at] !== '"'; at++) if (json[at] === "\\") at++;
  return at + 1;
}

// parse is JSON.parse that keeps numbers and the order of keys.
export function parse(text) {
  JSON.parse(text); // it reports errors
  let at = 0;
  function next() {
    token.lastIndex = at;
    const found = token.exec(text)[1];
    const start = token.lastIndex - found.length;
    at = found === '"' ? endOfText(text, start) : token.lastIndex;
    return text.slice(start, at);
  }
  function value(t) {
    if (t === "{") {
      const list = [];
      for (t = next(); t !== "}"; t = next()) {
        const key = JSON.parse(t === "," ? next() : t);
        next(); // the colon
        list.push([key, value(next())]);
      }
      return objectOf(list);
    }
    if (t === "[") {
      const list = [];
      for (t = next(); t !== "]"; t = next()) list.push(value(t === "," ? next() : t));
      return list;
    }
    const v = JSON.parse(t);
    return typeof v === "number" && String(v) !== t ? new Num(t) : v;
  }
  return value(next());
}

// stringify is JSON.stringify for values of parse.
export const stringify = (v) => write(v, "", (text) => text);

const maxDepth = 100; // levels of a value that is indented; a message has no more
const maxIndented = 1 << 20; // characters

const tooLarge = new Error("a value is too large to be indented");

// indented is stringify with indented lines. It passes each text through the function
// show. It returns null if the value has more levels, or the result more characters,
// than a page can show.
export function indented(v, show = (text) => text) {
  try {
    return write(v, "  ", show);
  } catch (error) {
    if (error === tooLarge) return null;
    throw error;
  }
}

function write(v, step, show) {
  const out = [];
  let size = 0;
  function put(text) {
    out.push(text);
    if (step && (size += text.length) > maxIndented) throw tooLarge;
  }
  function value(v, line, depth) {
    if (v instanceof Num) return put(v.text);
    if (typeof v === "string") return put(JSON.stringify(show(v)));
    if (v === null || typeof v !== "object") return put(JSON.stringify(v));
    if (step && depth > maxDepth) throw tooLarge;
    const list = Array.isArray(v), items = list ? v : entries(v), [open, close] = list ? "[]" : "{}";
    if (!items.length) return put(open + close);
    const inner = line + step;
    items.forEach((item, i) => {
      put((i ? "," : open) + inner + (list ? "" : JSON.stringify(item[0]) + (step ? ": " : ":")));
      value(list ? item : item[1], inner, depth + 1);
    });
    put(line + close);
  }
  value(v, step && "\n", 1);
  return out.join("");
}
