// Generations of the application, and what went wrong.
import { h, keep, took } from "../dom.js";
import { attempt, post } from "../api.js";

export function reloads() {
  const list = h("div", { class: "loads" }), logs = h("div", { class: "logs" });
  const node = h("div", { class: "scroll alone" },
    h("div", { class: "tools" }, h("button", { class: "primary", onclick: () => attempt(post("reload"), (a) => `Generation ${a.generation} is live`) }, "Reload now")),
    h("h2", {}, "Generations"), list, h("h2", {}, "Warnings and errors"), logs);
  const when = (ms) => new Date(ms).toLocaleTimeString();

  function frame(f) {
    if (!f.status) return;
    keep(list, f.loads || [], (l) => l.at, (l) => h("article", { class: "load card" + (l.error ? " failed" : "") },
      h("header", {}, h("b", {}, l.error ? `Generation ${l.generation} did not load` : `Generation ${l.generation}`), h("span", { class: "muted" }, ` ${when(l.at)} · ${took(l.tookMs)} · ${l.kind}${l.sockets ? ` · ${l.sockets} sockets kept` : ""}`)),
      l.changed?.length ? h("p", {}, "Changed: ", l.changed.slice(0, 10).map((c) => h("code", {}, c))) : "",
      l.error ? h("pre", {}, l.error) : ""));
    if (!(f.loads || []).length) list.replaceChildren(h("p", { class: "muted empty" }, "Nothing has been loaded yet."));
    keep(logs, f.logs || [], (l, i) => l.at + l.text, (l) => h("article", { class: "log level-" + l.level.toLowerCase() }, h("span", { class: "muted" }, when(l.at)), h("span", { class: "tag" }, l.level), h("pre", {}, l.text)));
    if (!(f.logs || []).length) logs.replaceChildren(h("p", { class: "muted empty" }, "None since the server was started."));
  }
  return { node, frame };
}
