// Generations of the application, and what went wrong.
import { h, keep, setText, clock, time, took } from "../dom.js";
import { attempt, post } from "../api.js";

export function reloads(shell) {
  const list = h("div", { class: "loads" }), logs = h("div", { class: "logs" });
  const none = h("p", { class: "muted empty", hidden: true }), quiet = h("p", { class: "muted empty", hidden: true }, "None since the server was started.");
  const note = h("span", { class: "muted" });
  const button = h("button", { class: "primary", onclick: reload }, "Reload now");
  const node = h("div", { class: "scroll alone" },
    h("div", { class: "tools" }, button, note),
    h("h2", {}, "Generations"), none, list, h("h2", {}, "Warnings and errors of the log"), quiet, logs);

  async function reload() {
    button.disabled = true;
    await attempt(post("reload"), (a) => `Generation ${a.generation} is live`);
    button.disabled = false;
  }

  function frame(f) {
    if (!f.status) return;
    const loads = f.loads || [], lines = f.logs || [];
    const workers = f.status.workers > 0 || loads.length > 0;
    button.hidden = !workers;
    setText(note, workers ? `${f.status.failedLoads} of the loads failed since ${time(f.status.since)} (a total). The newest 100 of each are kept.` : "");
    keep(list, loads, (l) => l.at, (l) => loadCard(l, shell));
    for (const l of loads) setText(list.kept.get(l.at).node.querySelector(".now"), !l.error && l.generation === f.status.generation ? "live" : "");
    none.hidden = loads.length > 0;
    setText(none, workers ? "Nothing has been loaded yet." : "There are no workers in this process (--no-workers): applications are loaded elsewhere.");
    keep(logs, lines, (l) => l.at + l.text, (l) => h("article", { class: "log level-" + l.level.toLowerCase() }, h("span", { class: "muted" }, clock(l.at)), h("span", { class: "tag" }, l.level.toLowerCase()), l.text.includes("\n") ? traceback(l.text) : h("pre", {}, l.text)));
    quiet.hidden = lines.length > 0;
  }
  return { node, frame };
}

function loadCard(l) {
  const facts = [clock(l.at), took(l.tookMs), !l.error && l.kind, l.sockets && `${l.sockets} ${l.sockets === 1 ? "socket" : "sockets"} kept`];
  return h("article", { class: "load card" + (l.error ? " failed" : "") },
    h("header", {}, h("b", {}, l.error ? "A load that failed" : `Generation ${l.generation}`), h("span", { class: "tag good now" }), h("span", { class: "facts" }, facts.filter(Boolean).map((t) => h("span", {}, t)))),
    l.changed?.length ? h("p", { class: "changed" }, "Changed: ", l.changed.slice(0, 10).map((c) => h("code", {}, c)), l.changed.length > 10 && `and ${l.changed.length - 10} more`) : "",
    l.error ? traceback(l.error) : "");
}

// traceback shows an error with its source, which is not wrapped. A frame
// begins with its place, whose line is the guilty one.
function traceback(text) {
  let guilty = "", code = null;
  const box = h("div", { class: "traceback" });
  for (const [i, line] of text.split("\n").entries()) {
    const source = line.match(/^ *(\d+) \| /);
    if (source || /^ +\| *\^/.test(line)) {
      if (!code) box.append(code = h("div", { class: "code" }));
      const here = source?.[1] === guilty;
      code.append(h("pre", { class: source && !here ? "source" : "guilty" }, here ? h("mark", {}, line) : line));
      continue;
    }
    code = null;
    const place = line.match(/^ {2}\S.*?:(\d+)/);
    if (place) guilty = place[1];
    box.append(h("pre", { class: i === 0 ? "summary" : place ? "place" : line.startsWith("→") ? "hint" : "" }, line || " "));
  }
  return box;
}
