// Elements, dialogs and number formats. All text goes into text nodes: data from
// the network is never parsed as HTML.

// Limits of a text that a browser draws at once. One line of 100,000 Thai or Hebrew
// letters, or one letter with as many marks, would stop it for minutes.
const maxText = 256 << 10; // characters
const maxLines = 10_000;
const maxOther = 16 << 10; // characters that are not Latin

// drawable returns the part of a text that is drawn at once. Characters that change
// the direction of the text around them are written as their number.
function drawable(text) {
  let end = 0;
  for (let lines = 0, other = 0; end < text.length && end < maxText && lines < maxLines && other < maxOther; end++) {
    const c = text.charCodeAt(end);
    if (c === 10) lines++;
    else if (c >= 0x300) other++;
  }
  const rest = text.length - end;
  return text.slice(0, end).replace(/[\u202a-\u202e\u2066-\u2069]/g, numbered).replace(/(\p{M}{30})\p{M}+/gu, "$1…") +
    (rest ? `\n… and ${rest.toLocaleString("en")} more characters` : "");
}

const numbered = (c) => "\\u" + c.charCodeAt(0).toString(16);

export function h(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "class") node.className = value;
    else if (key in node && key !== "list") node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  for (const c of children.flat()) if (c !== undefined && c !== null && c !== false) node.append(typeof c === "string" ? drawable(c) : c);
  return node;
}

export const maxRows = 1000; // of a table

// rows returns the body of a table with a row for each of the first items.
export const rows = (items, row) => h("tbody", {}, items.slice(0, maxRows).map(row),
  items.length > maxRows && h("tr", {}, h("td", { class: "muted", colSpan: 2 }, `and ${number(items.length - maxRows)} more`)));

export const $ = (selector, root = document) => root.querySelector(selector);

export function setText(node, text) {
  text = drawable(String(text));
  if (node.textContent !== text) node.textContent = text;
}

const tailLength = 5; // of a name that is cut

// setName shows a name in one line. If it is too long for its place, the style
// sheet cuts its middle, because names differ at the end.
export function setName(node, name) {
  if (node.shownName === name) return;
  node.shownName = name;
  const at = name.length > 2 * tailLength ? name.length - tailLength : name.length;
  node.replaceChildren(h("span", { class: "cut" }, h("span", { class: "cutfront" }, name.slice(0, at)), h("span", {}, name.slice(at))));
}

// updateChildren makes the children of a container match the items. Nodes of
// items that were there before are reused, and updated only if the item changed.
export function updateChildren(container, items, keyOf, create, update) {
  const old = container.entries || new Map();
  const now = new Map();
  // Remove old nodes first, because moving a focused node would lose the focus.
  const keys = new Set(items.map(keyOf));
  for (const [key, { node }] of old) if (!keys.has(key)) node.remove();
  let at = container.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    const entry = old.get(key) || { node: create(item) };
    const shape = JSON.stringify(item);
    if (update && entry.shape !== shape) update(entry.node, item);
    entry.shape = shape;
    now.set(key, entry);
    if (entry.node === at) at = at.nextSibling;
    else container.insertBefore(entry.node, at);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
  container.entries = now;
}

// number formats a count. A value that would round up to the next unit uses that
// unit.
export function number(n) {
  if (n === undefined || n === null) return "–";
  if (n >= 999500) return (n / 1e6).toFixed(n < 9.995e6 ? 2 : 1) + "M";
  if (n >= 1e4) return (n / 1e3).toFixed(n < 99950 ? 1 : 0) + "k";
  if (Number.isInteger(n)) return n.toLocaleString("en");
  return n < 9.95 ? n.toFixed(1) : Math.round(n).toLocaleString("en");
}

export function bytes(n) {
  if (n < 1024) return n + " B";
  let unit = 0;
  for (n /= 1024; n >= 1023.95 && unit < 2; n /= 1024) unit++;
  return n.toFixed(1) + " " + ["KiB", "MiB", "GiB"][unit];
}

export function duration(ms) {
  if (ms === undefined || ms === null) return "–";
  if (ms < 0.9995) return Math.round(ms * 1000) + " µs";
  if (ms < 9.995) return ms.toFixed(2) + " ms";
  if (ms < 999.5) return Math.round(ms) + " ms";
  if (ms < 9995) return (ms / 1000).toFixed(2) + " s";
  if (ms < 59950) return (ms / 1000).toFixed(1) + " s";
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return twoUnits(seconds, "min", "s");
  return twoUnits(Math.round(seconds / 60), "h", "min");
}

// twoUnits formats a count of a small unit with a unit that is sixty times larger.
const twoUnits = (n, large, small) => `${Math.floor(n / 60)} ${large}` + (n % 60 ? ` ${n % 60} ${small}` : "");

// time formats a time to the second, with the day if that is not today.
export function time(ms) {
  const day = new Date(ms);
  const today = !ms || day.toDateString() === new Date().toDateString();
  return (today ? "" : day.toLocaleDateString("en", { day: "numeric", month: "short" }) + ", ") + clock(ms).slice(0, 8);
}

export function clock(ms) {
  if (!ms) return "–";
  const d = new Date(ms);
  const two = (n) => String(n).padStart(2, "0");
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}.${String(d.getMilliseconds()).padStart(3, "0")}`;
}

// short removes the random part of a process-specific name and the middle of a
// long name, because names differ at the end.
export function short(channel, most = 34) {
  const at = channel.indexOf("!");
  const head = Math.floor(most * 0.4);
  if (at < 0) return channel.length > most ? channel.slice(0, head) + "…" + channel.slice(head + 1 - most) : channel;
  if (at < channel.length - 1) return "…" + channel.slice(at);
  return channel.slice(0, channel.lastIndexOf(".", at) + 1) + "…!";
}

// colorOf returns a colour of the style sheet in a form that a canvas accepts.
export function colorOf(name) {
  const probe = document.createElement("i");
  probe.hidden = true;
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}

// stepOf returns 1 if a key moves down a list and -1 if it moves up.
export const stepOf = (e) => ({ j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 })[e.key];

// family returns the kind of a channel, which determines its colour.
export function family(channel) {
  if (channel.includes("!")) return "reply";
  if (channel.startsWith("http.")) return "http";
  if (channel.startsWith("websocket.")) return "ws";
  return "own";
}

export const chip = (channel, text = short(channel)) => h("span", { class: "chip " + family(channel), title: channel }, text);

let toastTimer;
export function toast(text, bad) {
  const box = $("#toasts");
  box.replaceChildren(h("div", { class: bad ? "toast bad" : "toast", role: bad ? "alert" : "status" }, text));
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => box.replaceChildren(), bad ? 8000 : 3000);
}

// openDialog shows the dialog with the content. When the dialog closes, the
// focus returns to where it was.
function openDialog(content) {
  const dialog = $("#dialog");
  const before = document.activeElement;
  dialog.oncancel = null;
  dialog.onclose = () => {
    if (dialog.open) return; // opened again meanwhile
    dialog.replaceChildren();
    if (document.activeElement !== document.body) return; // moved by a key before this event
    (before?.isConnected && before !== document.body ? before : $("#view")).focus({ preventScroll: true });
  };
  dialog.replaceChildren(...content);
  dialog.setAttribute("aria-label", dialog.querySelector("h2").textContent);
  if (!dialog.open) dialog.showModal();
  return dialog;
}

// showDialog shows content and a button that closes it.
export function showDialog(title, ...content) {
  const close = h("button", { class: "primary", onclick: () => dialog.close() }, "Close");
  const dialog = openDialog([h("h2", {}, title), ...content, h("div", { class: "actions" }, close)]);
  close.focus();
}

// ask shows a form in a dialog and returns its values, or null if it was
// cancelled. If check returns a problem, the dialog shows it and stays open.
export function ask(title, fields, action, danger, check) {
  return new Promise((resolve) => {
    const inputs = fields.map((f) => {
      const input = h(f.rows ? "textarea" : "input", {
        name: f.name, value: f.value ?? "", rows: f.rows, placeholder: f.placeholder, spellcheck: false, autocomplete: "off",
      });
      return [f.name, input, h("label", {}, f.label, input)];
    });
    const wrong = h("p", { class: "bad wrong", role: "alert" });
    const done = (value) => { resolve(value); dialog.close(); };
    const submit = h("button", { type: "submit", class: danger ? "danger" : "primary" }, action);
    const dialog = openDialog([h("form", {
      method: "dialog",
      onsubmit: async (e) => {
        e.preventDefault();
        const values = Object.fromEntries(inputs.map(([name, input]) => [name, input.value]));
        submit.disabled = true;
        const problem = await check?.(values);
        submit.disabled = false;
        if (problem) setText(wrong, problem);
        else done(values);
      },
    },
    h("h2", {}, title), inputs.map(([, , label]) => label), wrong,
    h("div", { class: "actions" }, h("button", { type: "button", onclick: () => done(null) }, "Cancel"), submit))]);
    dialog.oncancel = () => resolve(null);
    (inputs[0]?.[1] || submit).focus();
  });
}

export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`Copied as ${what}`);
  } catch {
    await ask(`Copy as ${what}`, [{ name: "text", label: "The browser does not permit copying. Copy it from here:", value: text, rows: 12 }], "Close");
  }
}

// saved reads and writes the browser's local storage. Invalid values and a
// browser without storage do not break the page.
export const saved = {
  get(key, fallback, valid = () => true) {
    try {
      const value = JSON.parse(localStorage.getItem(key));
      return value !== null && typeof value === typeof fallback && Array.isArray(value) === Array.isArray(fallback) && valid(value) ? value : fallback;
    } catch {
      return fallback;
    }
  },
  set(key, value) {
    try {
      localStorage.setItem(key, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  },
};
