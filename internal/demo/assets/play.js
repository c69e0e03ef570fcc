// Functions for the buttons of the pages: requests, sockets, and the log of the
// page. All text goes into text nodes.
import { $, h } from "./dom.js";

const mount = document.documentElement.dataset.mount;
const log = $("#log");

export const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));

const clock = () => new Date().toTimeString().slice(0, 8);
const since = (began) => Math.round(performance.now() - began) + " ms";

// say adds a line to the log and returns it. The log keeps the last lines.
export function say(text, kind = "") {
  const line = h("li", { class: kind }, h("time", {}, clock()), h("span", {}, text));
  log.append(line);
  while (log.children.length > 60) log.firstChild.remove();
  log.scrollTop = log.scrollHeight;
  return line;
}

// button makes a button. The page counts as done when an action has succeeded.
export function button(label, action, kind) {
  const node = h("button", { type: "button", class: kind === "danger" ? "danger" : "" }, label);
  let running = 0;
  node.addEventListener("click", async () => {
    node.classList.toggle("running", ++running > 0);
    try {
      await action();
      document.dispatchEvent(new Event("done"));
    } catch (error) {
      say(error.message, "bad");
    }
    node.classList.toggle("running", --running > 0);
  });
  return node;
}

export function field(label, value) {
  const input = h("input", { value, "aria-label": label, size: 14 });
  return { node: input, get value() { return input.value; } };
}

async function send(method, path, options) {
  try {
    // With a cache, the browser would send equal requests one after the other.
    return await fetch(mount + path, { method, cache: "no-store", ...options });
  } catch {
    throw new Error(`${method} ${path}: no response; the connection was lost`);
  }
}

// text requests a path and returns the body of the response, without a line in
// the log. It tries again while the server restarts.
export async function text(method, path) {
  for (let tries = 1; ; tries++) {
    try {
      return await (await send(method, path)).text();
    } catch (error) {
      if (tries === 50) throw error;
      await sleep(100);
    }
  }
}

// request requests a path and logs the response: with the headers in show, with
// each piece as it arrives, or brief. With announce, it logs that it waits.
export async function request(method, path, { show = [], pieces, brief, announce, ...options } = {}) {
  const began = performance.now();
  const waits = announce && say(`${method} ${path} waits for a response…`);
  const response = await send(method, path, options);
  waits?.remove();
  const line = say(`${method} ${path} → ${response.status} ${response.statusText}, ${since(began)}`, response.ok ? "" : "warn");
  const shown = show.filter((name) => response.headers.has(name)).map((name) => `${name}: ${response.headers.get(name)}\n`).join("");
  const body = h("pre", {}, shown && shown + "\n");
  if (pieces) {
    line.append(body);
    for await (const piece of response.body.pipeThrough(new TextDecoderStream())) body.append(piece);
  } else {
    const content = await response.text();
    if (content && !brief) body.append(content);
    if (body.textContent) line.append(body);
  }
  log.scrollTop = line.offsetTop; // a long response is shown from its start
  return response;
}

// addLine adds a line to the lines of a stream or a socket, which keep the last ones.
function addLine(lines, ...content) {
  lines.append(h("li", {}, h("time", {}, clock()), ...content));
  while (lines.children.length > 40) lines.firstChild.remove();
  lines.scrollTop = lines.scrollHeight;
}

// listen opens a stream of server-sent events, with a button that ends it.
export function listen(path) {
  const source = new EventSource(mount + path);
  const state = h("span", { class: "muted" }, "connecting…"), lines = h("ol", { class: "talk" });
  const end = h("button", { type: "button", class: "small", onclick: () => { source.close(); state.textContent = "closed"; end.remove(); } }, "Stop");
  $("#sockets").append(h("div", { class: "socket" }, h("header", {}, h("b", {}, path), state, end), lines));
  source.onopen = () => { state.textContent = "listening"; };
  source.onerror = () => { state.textContent = "connecting again…"; };
  source.onmessage = (e) => {
    addLine(lines, h("span", {}, e.data));
  };
}

const sockets = new Set();

// openSockets returns the number of open sockets of the page.
export const openSockets = () => [...sockets].filter((s) => s.readyState === WebSocket.OPEN).length;

// socket opens a WebSocket and shows it. With a text, the card has a form that
// sends it. quiet leaves out the frames.
export function socket(path, first, { quiet } = {}) {
  const ws = new WebSocket(location.origin.replace(/^http/, "ws") + mount + path);
  sockets.add(ws);
  const state = h("span", { class: "muted" }, "handshake…"), lines = h("ol", { class: "talk" });
  const input = h("input", { value: first ?? "", "aria-label": "Text to send on " + path });
  const form = first === undefined ? undefined : h("form", { onsubmit: (e) => { e.preventDefault(); transmit(input.value); } },
    input, h("button", { class: "small" }, "Send"));
  const end = h("button", { type: "button", class: "small", onclick: () => ws.close(1000, "closed by the page") }, "Close");
  const card = h("div", { class: "socket" }, h("header", {}, h("b", {}, path), state, end), lines, form);
  const got = [], waiting = [];
  const add = (arrow, what) => {
    if (quiet) return;
    addLine(lines, h("span", { class: "arrow" }, arrow), h("span", {}, what));
  };
  const transmit = (what) => { ws.send(what); add("→", what); };
  const opened = new Promise((resolve, reject) => {
    ws.onopen = () => { state.textContent = "open"; card.classList.add("open"); resolve(); };
    ws.onclose = (e) => {
      state.textContent = (card.classList.contains("open") ? "closed: " : "refused: ") + e.code + (e.reason ? " " + e.reason : "");
      card.classList.remove("open");
      end.remove();
      form?.remove();
      sockets.delete(ws);
      const lost = new Error(`${path}: the socket is closed (${e.code})`);
      reject(lost);
      for (const w of waiting.splice(0)) w.reject(lost);
    };
  });
  opened.catch(() => {}); // the card shows it
  const result = {
    opened, send: transmit, close: () => ws.close(), buffered: () => ws.bufferedAmount, onmessage: null,
    isOpen: () => ws.readyState === WebSocket.OPEN,
    // next returns the next text that arrives.
    next: () => (got.length ? Promise.resolve(got.shift()) : new Promise((resolve, reject) => waiting.push({ resolve, reject }))),
  };
  ws.onmessage = (e) => {
    add("←", e.data);
    result.onmessage?.(e.data);
    if (waiting.length) waiting.shift().resolve(e.data);
    else if (got.push(e.data) > 1000) got.shift();
  };
  const box = $("#sockets"), closed = box.querySelectorAll(".socket:not(.open)");
  if (closed.length > 3) closed[0].remove();
  box.append(card);
  return result;
}

let watching;

// watcher opens a socket that shows what the application reports, unless it is
// open.
export async function watcher(path, onmessage = null) {
  if (!watching?.isOpen()) watching = socket(path);
  watching.onmessage = onmessage;
  await watching.opened;
}

const pid = async () => (await (await fetch("/server")).json()).pid;

// kill kills the server process and waits for the next one.
export async function kill() {
  const before = await pid();
  const response = await fetch("/kill", { method: "POST" });
  if (!response.ok) throw new Error((await response.json()).detail);
  say(`process ${before} was killed with SIGKILL`, "warn");
  for (let tries = 0; tries < 300; tries++) {
    await sleep(100);
    try {
      const now = await pid();
      if (now !== before) {
        say(`process ${now} serves now`);
        return;
      }
    } catch { /* not yet */ }
  }
  throw new Error("the server did not start again");
}

export function meter(label, max, format) {
  const bar = h("meter", { max, value: 0, "aria-label": label }), text = h("span", { class: "muted" }, format(0));
  const node = h("div", { class: "meter" }, h("span", {}, label), bar, text);
  return { node, set(value) { bar.value = value; text.textContent = format(value); } };
}

// grid shows numbered cells that can be marked.
export function grid(count) {
  const cells = Array.from({ length: count }, (_, i) => h("span", {}, String(i)));
  const node = h("div", { class: "grid", role: "img", "aria-label": "Numbers that have arrived" }, ...cells);
  return {
    node,
    mark: (n) => cells[n]?.classList.add("on"),
    clear: () => cells.forEach((c) => c.classList.remove("on")),
    marked: () => cells.filter((c) => c.classList.contains("on")).length,
  };
}

export function table(head) {
  const body = h("tbody", {});
  const node = h("table", { hidden: true }, h("thead", {}, h("tr", {}, ...head.map((text) => h("th", {}, text)))), body);
  return {
    node,
    show(rows) {
      node.hidden = false;
      body.replaceChildren(...rows.map((row) => h("tr", {}, ...row.map((cell) => h("td", {}, String(cell))))));
    },
  };
}
