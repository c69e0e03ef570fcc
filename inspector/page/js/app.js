// The frame around the views: navigation, the live stream, keys, themes.
import { h, $, setText, number, time, toast, showDialog, saved, stepOf } from "./dom.js";
import { appURL } from "./address.js";
import { Live } from "./api.js";
import { Notices } from "./notices.js";
import { flow } from "./views/flow.js";
import { requests } from "./views/requests.js";
import { messages } from "./views/messages.js";
import { errors } from "./views/errors.js";
import { connections } from "./views/connections.js";
import { channels } from "./views/channels.js";
import { groups } from "./views/groups.js";
import { workers } from "./views/workers.js";
import { state } from "./views/state.js";
import { play } from "./views/play.js";
import { reloads } from "./views/reloads.js";

// A view is a function of the shell. It returns its node and optional methods
// for frames and keys. With "follows" it requests its frames itself.
const views = { flow, requests, messages, errors, connections, channels, groups, workers, state, play, reloads };
const digits = Object.keys(views).filter((name) => name !== "errors"); // has the key !
const titles = {
  flow: "Flow", requests: "Requests", messages: "Messages", errors: "Errors", connections: "Connections", channels: "Channels", groups: "Groups",
  workers: "Workers", state: "State", play: "Play", reloads: "Reloads",
};

const shell = {
  status: {},
  embedded: window !== window.top, // in a page that shows only the parts in motion
  app: () => shell.status.app || "",
  go(view, params) {
    location.hash = "#/" + view + (params ? "?" + new URLSearchParams(params) : "");
  },
  // watch requests frames with parameters of the view.
  watch(params) {
    live.show({ view: shell.view, ...params });
  },
};

let current = null;
let lost = null; // when the connection was lost, and the reason if the server gave one
const live = new Live(frame, connection);
const notices = new Notices($("#notices"));

function frame(f, first) {
  if (f.status) {
    const since = shell.status.since;
    shell.status = f.status;
    shell.status.app = appURL(f.status.app);
    document.documentElement.classList.toggle("shared", !!f.status.layer); // hides what needs the store
    if (first && since && since !== f.status.since) toast(`The server was restarted at ${time(f.status.since)}; totals count from then`);
    drawBar();
  }
  current?.frame?.(f, first);
}

const bar = {
  live: h("span", { class: "live", role: "status" }),
  rate: h("span", { title: "Messages per second, over the last seconds (gauge)" }),
  waiting: h("span", { class: "spare", title: "Messages in queues (gauge)" }),
  sockets: h("span", { title: "Open WebSockets (gauge)" }),
  busy: h("span", { class: "spare", title: "Busy workers and all workers (gauges)" }),
  errors: h("a", { href: "#/errors", class: "errorcount", hidden: true }),
  generation: h("a", { href: "#/reloads", title: "Current generation of the application" }),
};

function drawBar() {
  const s = shell.status;
  setText(bar.rate, number(s.rate) + " msg/s");
  setText(bar.waiting, number(s.waiting) + " waiting");
  setText(bar.sockets, number(s.sockets) + (s.sockets === 1 ? " socket" : " sockets"));
  setText(bar.busy, s.workers ? s.busy + "/" + s.workers + " busy" : "no workers");
  setText(bar.generation, s.error ? "does not load" : "generation " + s.generation);
  bar.generation.className = s.error ? "bad" : "";
  bar.generation.hidden = !s.error && !s.generation;
  drawErrors(s.errors);
  drawState();
}

// drawErrors shows the number of errors of the current generation, or else that of
// warnings, or of errors of earlier generations.
function drawErrors({ now, warnings, past }) {
  const count = (n, word) => `${number(n)} ${word}${n === 1 ? "" : "s"}`;
  bar.errors.hidden = !now && !warnings && !past;
  bar.errors.className = "errorcount" + (now ? "" : warnings ? " warn" : " earlier");
  setText(bar.errors, now ? count(now, "error") : warnings ? count(warnings, "warning") : count(past, "earlier error"));
  bar.errors.title = `${count(now, "error")} and ${count(warnings, "warning")} of this generation, ${count(past, "error")} of earlier ones (!)`;
}

// drawState shows problems in the notices and in the title.
function drawState() {
  notices.draw(shell.status, lost);
  const failing = shell.status.errors?.now;
  const state = lost ? "no connection" : shell.status.error ? "does not load" : shell.status.paused ? "paused" : failing ? failing + (failing === 1 ? " error" : " errors") : "";
  const title = (state ? `(${state}) ` : "") + titles[shell.view] + " · asgibox inspector";
  if (document.title !== title) document.title = title;
}

function connection(how, why) {
  if (how === "lost") lost = { since: lost?.since || Date.now(), why };
  else if (how === "live" && lost) {
    lost = null;
    toast("Reconnected");
  }
  bar.live.dataset.how = how;
  $("#bar").classList.toggle("old", how === "lost");
  setText(bar.live, { live: "live", lost: "no connection", hidden: "paused" }[how]);
  drawState();
}

function route() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [first, trace] = path.split("/"); // links in the terminal are like #/errors/TRACE
  const name = views[first] ? first : "flow";
  const params = { ...(trace && { trace }), ...Object.fromEntries(new URLSearchParams(query || "")) };
  current?.end?.();
  shell.view = name;
  drawState();
  for (const a of $("#nav").children) a.setAttribute("aria-current", a.dataset.view === name ? "page" : "false");
  $(`#nav [data-view=${name}]`).scrollIntoView({ block: "nearest", inline: "center" });
  const before = live.params;
  current = views[name](shell, params);
  const view = $("#view");
  const within = document.activeElement === document.body || view.contains(document.activeElement);
  view.replaceChildren(current.node);
  view.dataset.view = name;
  if (within) view.focus({ preventScroll: true });
  if (live.params === before && !current.follows) live.show({ view: name });
  current.started?.();
}

const help = [
  ["1 – 9, 0", "go to a view"], ["!", "go to Errors"], ["/", "go to the filter of a view"],
  ["j, ↓ and k, ↑", "move down and up a list"], ["Enter", "open the selected item"], ["Esc", "leave a field, close the open item"],
  ["Space", "hold or continue the list (Requests, Messages)"], ["r, e, c", "replay, edit and replay, copy as curl (an open request)"], ["↑, ↓ in a field that sends", "frames sent before (Play)"],
  ["Ctrl+Enter", "send (Play, Connections)"],
  ["p, s", "pause or resume the focused or open channel, deliver one message (Flow, Channels)"],
  ["r, o", "replay the message of the open error, open its place in the editor (Errors)"],
  ["t", "switch between dark, light and system colours"], ["?", "show this help"],
];

function keys(e) {
  if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented || e.target.closest("dialog")) return;
  if (e.target.closest("input, textarea, select")) {
    if (e.key === "Escape") {
      e.target.blur();
      $("#view").focus({ preventScroll: true });
    }
    return;
  }
  const field = $("#view input[type=search]");
  if (/^[0-9]$/.test(e.key)) shell.go(digits[(Number(e.key) || 10) - 1]);
  else if (e.key === "!") shell.go("errors");
  else if (e.key === "t") theme(true);
  else if (e.key === "?") showHelp();
  else if (e.key === "/" && field) field.focus();
  else if (!current?.key?.(e) && !walk(e)) return;
  e.preventDefault();
}

// walk moves the focus along the rows of views that do not handle these keys.
function walk(e) {
  const step = stepOf(e);
  if (!step) return false;
  const rows = [...$("#view").querySelectorAll("tr[tabindex], .pipe, .row[tabindex]")].filter((r) => r.offsetParent);
  if (!rows.length) return false;
  const at = rows.findIndex((r) => r.contains(document.activeElement));
  const row = rows[Math.min(Math.max(at + step, 0), rows.length - 1)];
  row.focus();
  row.scrollIntoView({ block: "nearest" });
  return true;
}

function showHelp() {
  showDialog("Keys", h("dl", { class: "keys" }, help.map(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)]).flat()));
}

function theme(next) {
  const order = ["auto", "dark", "light"];
  let now = saved.get("theme", "auto", (v) => order.includes(v));
  if (next) {
    now = order[(order.indexOf(now) + 1) % order.length];
    saved.set("theme", now);
    toast("Colours: " + { auto: "system", dark: "dark", light: "light" }[now]);
  }
  document.documentElement.dataset.theme = now;
  current?.themed?.();
}

theme();
window.addEventListener("storage", (e) => e.key === "theme" && theme()); // changed in another page of the origin
document.documentElement.classList.toggle("embedded", shell.embedded);
$("#nav").append(...Object.keys(views).map((name) =>
  h("a", { href: "#/" + name, "data-view": name, title: `Key ${name === "errors" ? "!" : (digits.indexOf(name) + 1) % 10}` }, titles[name])));
$("#bar").append(bar.live, bar.rate, bar.waiting, bar.sockets, bar.busy, bar.errors, bar.generation,
  h("button", { class: "small", onclick: () => theme(true), title: "Dark, light or system colours (t)", "aria-label": "Colours" }, "◐"),
  h("button", { class: "small", onclick: showHelp, title: "Keys (?)", "aria-label": "Keys" }, "?"));
// Views that fill the window start below the header.
new ResizeObserver(() => document.documentElement.style.setProperty("--above", $("header").offsetHeight + 54 + "px")).observe($("header"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => current?.themed?.());
window.addEventListener("hashchange", route);
document.addEventListener("keydown", keys);
route();
