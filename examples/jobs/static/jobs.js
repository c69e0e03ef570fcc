// The page loads the list over HTTP and then receives changes over the WebSocket.

const $ = (id) => document.getElementById(id);
const jobs = new Map();
const deleted = new Set(); // the ids, because an event may come after the deletion
let pause = 250; // milliseconds before the next attempt to connect

function make(tag, props = {}, ...children) {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
}

function draw() {
  const items = [...jobs.values()].sort((a, b) => b.at - a.at || (a.id < b.id ? 1 : -1)).map((job) =>
    make("li", { className: job.state, id: job.id },
      make("span", {}, `primes below ${job.below.toLocaleString()}`),
      make("b", { textContent: job.state === "queued" ? "" : job.found.toLocaleString() }),
      make("button", { className: "delete", textContent: "✕", title: "Delete", onclick: () => remove(job.id) }),
      make("progress", { max: job.slices, value: job.slice, ariaLabel: "Progress" }),
      make("small", { textContent: job.state })));
  $("jobs").replaceChildren(...(items.length ? items : [make("li", { className: "empty", textContent: "No jobs yet." })]));
}

let due = false;
function show(job) {
  const known = jobs.get(job.id);
  if (deleted.has(job.id) || known?.slice > job.slice) return; // the list may be newer than an event
  if (job.state === "deleted") {
    deleted.add(job.id);
    jobs.delete(job.id);
  } else {
    jobs.set(job.id, job);
  }
  if (due) return;
  due = true;
  requestAnimationFrame(() => { due = false; draw(); });
}

async function remove(id) {
  const response = await fetch("/jobs/" + id, { method: "DELETE" });
  if (response.ok) show({ id, state: "deleted" });
}

async function list() {
  const response = await fetch("/jobs");
  (await response.json()).forEach(show);
  draw();
}

async function ask() {
  const response = await fetch("/jobs", { method: "POST", body: new URLSearchParams(new FormData($("ask"))) });
  if (response.ok) show(await response.json());
  status(response.ok ? "listening" : await response.text(), true);
}

$("ask").onsubmit = (submit) => { submit.preventDefault(); ask(); };
$("five").onclick = () => { if ($("ask").reportValidity()) for (let i = 0; i < 5; i++) ask(); };

function status(text, open) {
  $("status").textContent = text;
  $("status").classList.toggle("open", open);
}

function connect() {
  const url = new URL("/progress", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url);
  socket.onopen = () => { pause = 250; status("listening", true); jobs.clear(); list(); };
  socket.onmessage = (frame) => show(JSON.parse(frame.data));
  socket.onclose = () => {
    status("reconnecting", false);
    setTimeout(connect, pause);
    pause = Math.min(pause * 2, 5000);
  };
}

connect();
