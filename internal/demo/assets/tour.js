// The frame of a page: editor, progress, colours, and the buttons of the page.
import { $, store, stored } from "./dom.js";
import { edit } from "./editor.js";
import { openSockets } from "./play.js";

const name = document.documentElement.dataset.page;

// Progress

const links = [...document.querySelectorAll("#contents a")];

function drawProgress() {
  const done = new Set(stored("tour.done", []));
  for (const a of links) {
    const tick = $(".tick", a);
    tick.textContent = done.has(a.dataset.name) ? "✓" : "";
    tick.title = done.has(a.dataset.name) ? "done" : "";
  }
  $("#progress").textContent = `${links.filter((a) => done.has(a.dataset.name)).length} of ${links.length} done`;
}

document.addEventListener("done", () => {
  store("tour.done", [...new Set([...stored("tour.done", []), name])]);
  drawProgress();
});
window.addEventListener("storage", drawProgress);
drawProgress();

// Colours; the inspector uses the same key.

const themes = ["auto", "dark", "light"];

function theme(next) {
  let now = themes.indexOf(stored("theme", "auto"));
  if (next) now = (now + 1) % themes.length;
  document.documentElement.dataset.theme = themes[Math.max(now, 0)];
  if (next) store("theme", themes[now]);
}

$("#theme").addEventListener("click", () => theme(true));
theme();

// The list of pages is folded on narrow pages.
const narrow = matchMedia("(max-width: 900px)");
const fold = () => { $("#contents").open = !narrow.matches; };
narrow.addEventListener("change", fold);
fold();

// The editor

const saveButton = $("#save"), status = $("#saved"), details = $("#error");
const editor = edit($("#source"), {
  save, readOnly: !saveButton,
  changed() { saveButton?.classList.add("unsaved"); },
});

function report(text, kind, more = "") {
  status.textContent = text;
  status.className = kind;
  details.textContent = more;
  details.hidden = !more;
}

// change posts a change and shows the outcome.
async function change(what, body) {
  const before = openSockets();
  let result;
  try {
    const response = await fetch(`/edit/${name}/${what}`, { method: "POST", body, headers: { "Content-Type": "text/plain" } });
    result = await response.json();
    if (!response.ok) throw new Error(result.detail);
  } catch (error) {
    return report("Not saved: " + error.message, "bad");
  }
  editor.mark(result);
  if (result.error) return report(`${result.error}; the version before it continues.`, "bad", result.details);
  if (what === "reset") editor.replace(result.source);
  saveButton.classList.remove("unsaved");
  const after = openSockets();
  const kept = before === 0 ? "" : before === after ? ` ${after === 1 ? "The open socket of this page stays open." : `All ${after} open sockets of this page stay open.`}` : ` ${after} of ${before} sockets of this page stay open.`;
  report(`Generation ${result.generation} is live after ${result.took_ms.toFixed(1)} ms.${kept}`, "good");
}

function save() {
  if (saveButton) change("save", editor.text());
}

saveButton?.addEventListener("click", save);
$("#reset")?.addEventListener("click", () => change("reset"));
document.addEventListener("keydown", (e) => {
  if ((e.ctrlKey || e.metaKey) && e.key === "s" && !e.defaultPrevented) {
    e.preventDefault();
    save();
  }
});

// The inspector has the height of its content.

const frame = $("#flow");

function fitFrame() {
  const inside = frame.contentDocument?.body;
  if (!inside || inside.dataset.fitted) return;
  inside.dataset.fitted = "";
  const fit = () => { frame.style.height = Math.max(inside.scrollHeight, 220) + 2 + "px"; };
  new ResizeObserver(fit).observe(inside);
  fit();
}

frame.addEventListener("load", fitFrame);
if (frame.contentDocument?.readyState === "complete") fitFrame();

// The buttons

const controls = (await import(`/pages/${name}/play.js`)).default;
$("#buttons").append(...controls.map((c) => c.node || c));
document.documentElement.dataset.ready = "";
