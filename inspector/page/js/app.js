// The frame around the views: navigation, the live stream, keys, themes.
import { h, $, setText, number, toast } from "./dom.js";
import { Live } from "./api.js";
import { flow } from "./views/flow.js";
import { messages } from "./views/messages.js";
import { connections } from "./views/connections.js";
import { channels } from "./views/channels.js";
import { groups } from "./views/groups.js";
import { workers } from "./views/workers.js";
import { state } from "./views/state.js";
import { play } from "./views/play.js";
import { reloads } from "./views/reloads.js";

// A view is a function of the shell that answers its node and, if it cares,
// what it does with frames and keys.
const views = { flow, messages, connections, channels, groups, workers, state, play, reloads };
const titles = {
  flow: "Flow", messages: "Messages", connections: "Connections", channels: "Channels", groups: "Groups",
  workers: "Workers", state: "State", play: "Play", reloads: "Reloads",
};

const shell = {
  status: {},
  app: () => shell.status.app || "",
  go(view, params) {
    location.hash = "#/" + view + (params ? "?" + new URLSearchParams(params) : "");
  },
  // watch asks for frames of something else than the view by itself.
  watch(params) {
    live.show({ view: shell.view, ...params });
  },
};

let current = null;
const live = new Live(frame, connection);

function frame(f, first) {
  if (f.status) {
    shell.status = f.status;
    drawBar();
  }
  current?.frame?.(f, first);
}

const bar = {
  live: h("span", { class: "live" }),
  rate: h("span", { title: "Messages a second, over the last seconds (a gauge)" }),
  waiting: h("span", { title: "Messages that wait in queues now (a gauge)" }),
  sockets: h("span", { title: "WebSockets that are open now (a gauge)" }),
  busy: h("span", { title: "Workers that handle a message now, of all (a gauge)" }),
  chaos: h("a", { href: "#/channels", class: "warn", hidden: true }, "chaos is on"),
  generation: h("a", { href: "#/reloads", title: "The application's generation" }),
};

function drawBar() {
  const s = shell.status;
  setText(bar.rate, number(s.rate) + " msg/s");
  setText(bar.waiting, number(s.waiting) + " waiting");
  setText(bar.sockets, number(s.sockets) + (s.sockets === 1 ? " socket" : " sockets"));
  setText(bar.busy, s.busy + "/" + s.workers + " busy");
  bar.chaos.hidden = !s.chaos;
  bar.chaos.title = (s.chaos || []).join("\n");
  setText(bar.generation, s.error ? "does not load" : "generation " + s.generation);
  bar.generation.className = s.error ? "bad" : "";
}

function connection(how) {
  bar.live.dataset.how = how;
  setText(bar.live, { live: "live", lost: "no connection", hidden: "asleep" }[how]);
}

function route() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const name = views[path] ? path : "flow";
  const params = Object.fromEntries(new URLSearchParams(query || ""));
  current?.end?.();
  shell.view = name;
  document.title = titles[name] + " · asgibox inspector";
  for (const a of $("#nav").children) a.setAttribute("aria-current", a.dataset.view === name ? "page" : "false");
  $(`#nav [data-view=${name}]`).scrollIntoView({ block: "nearest", inline: "center" });
  const before = live.params;
  current = views[name](shell, params);
  $("#view").replaceChildren(current.node);
  $("#view").dataset.view = name;
  if (live.params === before) live.show({ view: name });
  current.started?.();
}

const help = [
  ["1 – 9", "go to a view"], ["/", "to the filter"], ["Space", "hold and go on (Messages)"],
  ["j, k or arrows", "down and up a list"], ["Enter", "open what has the focus"], ["p, s", "pause or resume the channel that is open or has the focus, step one message (Flow, Channels)"], ["Esc", "close what is open"], ["t", "dark, light, or as the system has it"], ["?", "this help"],
];

function keys(e) {
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  if (e.target.closest("input, textarea, select, dialog")) {
    if (e.key === "Escape") e.target.blur();
    return;
  }
  const names = Object.keys(views);
  if (e.key >= "1" && e.key <= "9") shell.go(names[e.key - 1]);
  else if (e.key === "t") theme(true);
  else if (e.key === "?") showHelp();
  else if (e.key === "/" && $("#view input[type=search]")) $("#view input[type=search]").focus();
  else if (!current?.key?.(e)) return;
  e.preventDefault();
}

function showHelp() {
  const dialog = $("#dialog");
  dialog.oncancel = null;
  dialog.replaceChildren(h("h2", {}, "Keys"),
    h("dl", { class: "keys" }, help.map(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)]).flat()),
    h("div", { class: "actions" }, h("button", { onclick: () => dialog.close() }, "Close")));
  dialog.showModal();
}

function theme(next) {
  const order = ["auto", "dark", "light"];
  let now = localStorage.getItem("theme") || "auto";
  if (next) {
    now = order[(order.indexOf(now) + 1) % order.length];
    localStorage.setItem("theme", now);
    toast("Colours: " + now);
  }
  document.documentElement.dataset.theme = now;
  current?.themed?.();
}

theme();
$("#nav").append(...Object.keys(views).map((name, i) =>
  h("a", { href: "#/" + name, "data-view": name, title: `Key ${i + 1}` }, titles[name])));
$("#bar").append(bar.live, bar.rate, bar.waiting, bar.sockets, bar.busy, bar.chaos, bar.generation,
  h("button", { class: "small", onclick: () => theme(true), title: "Dark, light, or as the system has it (t)", "aria-label": "Colours" }, "◐"),
  h("button", { class: "small", onclick: showHelp, title: "Keys (?)", "aria-label": "Keys" }, "?"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => current?.themed?.());
window.addEventListener("hashchange", route);
document.addEventListener("keydown", keys);
route();
