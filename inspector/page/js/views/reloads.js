// Generations of the application and failed loads.
import { h, updateChildren, setText, clock, time, duration } from "../dom.js";
import { attempt, post } from "../api.js";

export function reloads(shell) {
  const list = h("div", { class: "loads" });
  const none = h("p", { class: "muted empty", hidden: true });
  const note = h("span", { class: "muted" });
  const button = h("button", { class: "primary", onclick: reload }, "Reload now");
  const node = h("div", { class: "scroll alone" },
    h("div", { class: "tools" }, button, note),
    h("h2", {}, "Generations"), none, list);

  async function reload() {
    button.disabled = true;
    await attempt(post("reload"), (a) => `Generation ${a.generation} is live`);
    button.disabled = false;
  }

  function frame(f) {
    if (!f.status) return;
    const loads = f.loads || [];
    const workers = f.status.workers > 0 || loads.length > 0;
    button.hidden = !workers;
    setText(note, workers ? `${f.status.failedLoads} failed loads since ${time(f.status.since)} (total). The page shows the newest 100 loads.` : "");
    updateChildren(list, loads, (l) => l.at, (l) => loadCard(l, shell));
    for (const l of loads) {
      const { node } = list.entries.get(l.at), of = (f.processes || []).filter((p) => !l.error && p.generation === l.generation);
      setText(node.querySelector(".now"), !l.error && l.generation === f.status.generation ? "live" : "");
      setText(node.querySelector(".processes"), of.map((p) => `process ${p.pid}` + (p.state === "ready" ? "" : " " + p.state)).join(", "));
    }
    none.hidden = loads.length > 0;
    setText(none, workers ? "No generation has been loaded yet." : "This process has no workers (--no-workers); other processes load the application.");
  }
  return { node, frame };
}

function loadCard(l) {
  const facts = [clock(l.at), duration(l.tookMs), !l.error && l.kind, l.sockets && `${l.sockets} ${l.sockets === 1 ? "socket" : "sockets"} stayed open`];
  return h("article", { class: "load card" + (l.error ? " failed" : "") },
    h("header", {}, h("b", {}, l.error ? "Failed load" : `Generation ${l.generation}`), h("span", { class: "tag good now" }), h("span", { class: "facts" }, facts.filter(Boolean).map((t) => h("span", {}, t)), h("span", { class: "processes" }))),
    l.changed?.length ? h("p", { class: "changed" }, "Changed: ", l.changed.slice(0, 10).map((c) => h("code", {}, c)), l.changed.length > 10 && `and ${l.changed.length - 10} more`) : "",
    l.error ? traceback(l.error) : "");
}

// traceback shows an error with its source, without line breaks. Each stack
// frame starts with its place; the line of that number is highlighted.
function traceback(text) {
  let culprit = "", code = null;
  const box = h("div", { class: "traceback" });
  for (const [i, line] of text.split("\n").entries()) {
    const source = line.match(/^ *(\d+) \| /);
    if (source || /^ +\| *\^/.test(line)) {
      if (!code) box.append(code = h("div", { class: "code" }));
      const isCulprit = source?.[1] === culprit;
      code.append(h("pre", { class: source && !isCulprit ? "source" : "culprit" }, isCulprit ? h("mark", {}, line) : line));
      continue;
    }
    code = null;
    const place = line.match(/^ {2}\S.*?:(\d+)/);
    if (place) culprit = place[1];
    box.append(h("pre", { class: i === 0 ? "summary" : place ? "place" : line.startsWith("→") ? "hint" : "" }, line || " "));
  }
  return box;
}
