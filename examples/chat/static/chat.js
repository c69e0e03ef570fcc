// A page shows one room and has one WebSocket. Messages are shown as text, never
// as HTML.

const room = document.body.dataset.room;
const $ = (id) => document.getElementById(id);
const log = $("log");
let who = localStorage.getItem("who");
if (/^\.+$/.test(who)) who = ""; // a path cannot have this name
let socket;
let pause = 250; // milliseconds before the next attempt to connect
let early = []; // messages that arrive before the history
let present = -1; // the number of the list of people on the page

function make(tag, props = {}, ...children) {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
}

function face(name) {
  const node = make("span", { className: "face", textContent: [...name][0].toUpperCase(), ariaHidden: "true" });
  let hue = 0;
  for (const letter of name) hue = (hue * 31 + letter.codePointAt(0)) % 360;
  node.style.setProperty("--hue", hue);
  return node;
}

// The log.

function append(node) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  log.append(node);
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function note(text) {
  append(make("li", { className: "note", textContent: text }));
}

function said({ who: name, text, at }) {
  const last = log.lastElementChild;
  const again = last?.dataset.who === name && at - last.dataset.at < 120;
  const when = new Date(at * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const item = make("li", { className: "said" },
    make("span", { className: "who" }, make("b", { textContent: name }), " " + when),
    face(name),
    make("p", { textContent: text }));
  item.classList.toggle("mine", name === who);
  item.classList.toggle("again", again);
  item.dataset.who = name;
  item.dataset.at = at;
  append(item);
}

// The sidebar.

function people({ number, names: all }) {
  if (number < present) return;
  present = number;
  const names = [...new Set(all)].sort((a, b) => a.localeCompare(b));
  $("count").textContent = "· " + names.length;
  $("people").replaceChildren(...names.map((name) =>
    make("li", { title: name }, face(name), make("span", { className: "name", textContent: name === who ? name + " (you)" : name }))));
}

async function rooms() {
  const response = await fetch("/rooms");
  const list = response.ok ? await response.json() : [];
  if (!list.some((r) => r.room === room)) list.unshift({ room, here: 0 });
  $("rooms").replaceChildren(...list.map((r) => {
    const link = make("a", { href: "/rooms/" + encodeURIComponent(r.room) }, "# " + r.room, make("small", { textContent: r.here || "" }));
    if (r.room === room) link.setAttribute("aria-current", "page");
    return make("li", {}, link);
  }));
}

// The socket.

const handle = {
  welcome({ here, said: history }) {
    log.replaceChildren();
    const known = new Set(history.map((entry) => entry.id));
    [...history, ...early.filter((entry) => !known.has(entry.id))].forEach(said);
    early = null;
    log.scrollTop = log.scrollHeight;
    people(here);
    rooms();
  },
  said(entry) { early ? early.push(entry) : said(entry); },
  joined({ who: name, here }) { note(name + " joined"); people(here); rooms(); },
  left({ who: name, here }) { note(name + " left"); people(here); rooms(); },
};

function status(text, open) {
  $("status").textContent = text;
  $("status").classList.toggle("open", open);
  for (const control of $("say").elements) control.disabled = !open;
  if (open) $("say").elements.text.focus();
}

function connect() {
  const url = new URL(`/chat/${encodeURIComponent(room)}/${encodeURIComponent(who)}`, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  socket = new WebSocket(url);
  socket.onopen = () => { pause = 250; early = []; present = -1; status("connected", true); };
  socket.onmessage = (frame) => {
    const { event, ...fields } = JSON.parse(frame.data);
    handle[event]?.(fields);
  };
  socket.onclose = () => {
    status("reconnecting", false);
    setTimeout(connect, pause);
    pause = Math.min(pause * 2, 5000);
  };
}

$("say").onsubmit = (submit) => {
  submit.preventDefault();
  const input = $("say").elements.text;
  if (input.value.trim()) socket.send(input.value);
  input.value = "";
};

$("open").onsubmit = (submit) => {
  submit.preventDefault();
  location.href = "/rooms/" + encodeURIComponent($("open").elements.room.value);
};

$("hello").oncancel = (cancel) => cancel.preventDefault();
$("hello").querySelector("form").onsubmit = () => {
  who = $("hello").querySelector("input").value.trim().replace(/^\.+$/, "") || "anonymous";
  localStorage.setItem("who", who);
  connect();
};

// The browser may keep a page after the user has left it. Close its socket, so
// that the room no longer shows the user.
addEventListener("pagehide", () => socket?.close());

rooms();
if (who) connect();
else $("hello").showModal();
