// The workers and the messages that they handle, the processes of the application, and
// the machines on a layer that is shared.
import { h, setText, number, bytes, duration, time, chip } from "../dom.js";
import { attempt, post } from "../api.js";
import { Table } from "../table.js";
import { doing, programOf } from "../flow/remotes.js";

export function workers(shell) {
  const note = h("p", { class: "muted" }), legend = h("p", { class: "muted legendline" }, "All columns are gauges. Press Enter on a busy worker, or click it, to see the messages of its trace.");
  const count = h("input", { class: "count", type: "number", min: 1, max: 1000, required: true, title: "Number of handlers that can run at once" });
  const change = h("form", { class: "tools", hidden: true, onsubmit: apply }, h("label", { class: "line" }, "Workers ", count), h("button", {}, "Change"));
  const table = new Table({
    name: "pairs", keyOf: (w) => w.number,
    open: (key, w) => { if (w.trace) shell.go("messages", traceOf(w)); },
    empty: "This process has no workers (--no-workers).",
    columns: [
      { title: "Worker", class: "whole", of: (w) => w.number, text: (w) => String(w.number) },
      { title: "Message", of: (w) => (w.busy ? w.channel : "~"), shape: (w) => [w.busy, w.channel, w.cancelled, w.leaving], nodes: messageNodes, class: "wrap whole" },
      { title: "For", about: "Time since it received this message", of: (w) => busyFor(w), down: true, text: (w) => (w.busy ? duration(busyFor(w)) : "") },
      { title: "Handler", of: (w) => w.handler || "~", shape: (w) => w.handler, nodes: (w) => [w.handler && h("code", {}, w.handler)], class: "wrap whole" },
      { title: "Generation", about: "Generation of the application that it runs", of: (w) => w.generation, down: true, shape: (w) => [w.generation, retiring(w)], nodes: (w) => [h("span", {}, String(w.generation)), retiring(w) && h("span", { class: "tag warn" }, "retiring")] },
      { title: "Trace", shape: (w) => w.trace, nodes: (w) => [w.trace && h("a", { href: "#/messages?" + new URLSearchParams(traceOf(w)) }, h("code", {}, w.trace))], class: "whole" },
    ],
  });
  const processes = new Table({
    name: "pairs", keyOf: (p) => p.pid, empty: "No process runs.",
    columns: [
      { title: "Process", about: "Its number; the process that replaces it gets it too", class: "whole", of: (p) => p.worker, shape: (p) => [p.worker, p.state], nodes: (p) => [h("span", {}, String(p.worker)), p.state !== "ready" && h("span", { class: "tag warn" }, p.state)] },
      { title: "PID", class: "num", of: (p) => p.pid, text: (p) => String(p.pid) },
      { title: "Handler", about: "What it handles for the longest time", of: (p) => p.handler || p.channel || "~", shape: (p) => [p.handler, p.channel, p.jobs], nodes: handlerNodes, class: "wrap whole" },
      { title: "For", about: "Time since it received this message", of: (p) => processFor(p), down: true, text: (p) => (p.jobs ? duration(processFor(p)) : "") },
      { title: "CPU", class: "num", about: "Part of one processor that it used in the last second", of: (p) => p.cpu, down: true, text: (p) => (p.cpu === null ? "" : p.cpu.toFixed(0) + " %") },
      { title: "Memory", class: "num", about: "Resident memory", of: (p) => p.memory, down: true, text: (p) => (p.memory ? bytes(p.memory).replace(" ", "\u00a0") : "") },
      { title: "Restarts", class: "num", about: "How often another process has replaced one of this number", of: (p) => p.restarts || 0, down: true, text: (p) => number(p.restarts || 0) },
      { title: "Generation", class: "num", of: (p) => p.generation, down: true, text: (p) => String(p.generation) },
      { title: "Started", class: "whole", of: (p) => p.started, text: (p) => time(p.started) },
    ],
  });
  const own = h("section", { class: "others", hidden: true }, h("h3", {}, "Processes"), processes.node);
  const heading = h("section", { class: "others", hidden: true }, h("h3", {}, "Handlers that run"));
  const used = new Map(); // CPU time of each process, by its pid, and when it was read
  const elsewhere = new Table({
    name: "pairs", keyOf: (r) => r.host + " " + r.agent, empty: "",
    open: (key, r) => { if (r.trace) shell.go("messages", traceOf(r)); },
    columns: [
      { title: "Host", of: (r) => r.host, text: (r) => r.host, class: "whole" },
      { title: "Program", about: "Its User-Agent", of: (r) => programOf(r), text: programOf, class: "wrap whole" },
      { title: "Reads", about: "Channels of its last receive", shape: (r) => r.channels, nodes: (r) => r.channels.flatMap((name) => [chip(name), " "]), class: "wrap whole" },
      { title: "Does", about: "Whether it waits for a message, and its last message", of: (r) => r.at || 0, down: true, text: (r) => doing(r, shell.status.now), class: "wrap whole" },
      { title: "Received", about: "Messages in total", of: (r) => r.received, down: true, text: (r) => number(r.received), class: "num" },
    ],
  });
  const others = h("section", { class: "others", hidden: true }, h("h3", {}, "Over HTTP"), elsewhere.node);
  const machines = new Table({
    name: "pairs", keyOf: (m) => `${m.name} ${m.pid}`, empty: "No machine has been seen.",
    columns: [
      { title: "Machine", class: "whole", of: (m) => m.name, shape: (m) => [m.name, m.self], nodes: (m) => [h("span", {}, m.name), m.self && h("span", { class: "tag good" }, "this process")] },
      { title: "Process", class: "num", of: (m) => m.pid, text: (m) => String(m.pid) },
      { title: "Version", class: "whole", of: (m) => m.version, text: (m) => m.version },
      { title: "Sockets", class: "num", about: "Open WebSockets (gauge)", of: (m) => m.sockets, down: true, text: (m) => number(m.sockets) },
      { title: "Workers", class: "num", about: "Workers (gauge)", of: (m) => m.workers, down: true, text: (m) => number(m.workers) },
      { title: "Started", class: "whole", of: (m) => m.started, text: (m) => time(m.started) },
    ],
  });
  const shared = h("section", { class: "others machines", hidden: true }, h("h3", {}, "Machines on the channel layer"), machines.node,
    h("p", { class: "muted legendline" }, "A machine writes its figures every few seconds. One that has not done so for 15 seconds is gone."));
  const node = h("div", { class: "scroll alone" }, shared, note, own, heading, h("div", { class: "tools" }, change, table.sorter), table.node, others, legend);

  const busyFor = (w) => (w.busy ? Math.max(0, shell.status.now - w.since) : -1);
  const processFor = (p) => (p.jobs ? Math.max(0, shell.status.now - p.since) : -1);
  const retiring = (w) => w.generation !== shell.status.generation;

  // withUse adds the part of a processor that each process used since the last frame.
  function withUse(list, now) {
    for (const pid of used.keys()) if (!list.some((p) => p.pid === pid)) used.delete(pid);
    return list.map((p) => {
      const before = used.get(p.pid), cpu = before && now > before.now ? (100 * (p.cpuMs - before.cpuMs)) / (now - before.now) : before?.cpu ?? null;
      used.set(p.pid, { now, cpuMs: p.cpuMs, cpu });
      return { ...p, cpu, now: p.jobs ? now : 0 };
    });
  }

  async function apply(e) {
    e.preventDefault();
    const n = Number(count.value);
    if (await attempt(post("workers", { workers: n }), n === 1 ? "1 worker from now on" : `${number(n)} workers from now on`)) count.blur();
  }

  function frame(f) {
    if (!f.status) return;
    const all = f.workers || [], list = f.processes ? all.filter((w) => w.busy) : all;
    own.hidden = heading.hidden = !f.processes;
    if (f.processes) processes.draw(withUse(f.processes, f.status.now));
    table.empty = f.processes ? "No handler runs." : "This process has no workers (--no-workers).";
    const { generation, kind, error } = f.status;
    setText(note, `${f.status.busy} of ${f.status.workers} busy. ` +
      (generation ? `New messages go to generation ${generation} (${kind || "unknown kind"}).` : "No generation is loaded.") + (error ? " The last edit does not load; see Reloads." : ""));
    const staying = list.filter((w) => w.generation === generation && !w.leaving).length;
    change.hidden = !list.length || !!f.processes;
    shared.hidden = !f.status.layer;
    if (f.status.layer) machines.draw(f.machines || []);
    if (document.activeElement !== count) count.value = staying;
    others.hidden = !f.remotes?.length;
    if (others.hidden) elsewhere.clear();
    else elsewhere.draw(f.remotes.map((r) => ({ ...r, now: f.status.now })));
    table.draw(list.map((w) => ({ ...w, now: w.busy ? f.status.now : 0, live: generation })));
  }

  return { node, frame, key: (e) => table.key(e) };
}

const traceOf = (w) => ({ filter: "trace:" + w.trace, trace: w.trace });

function handlerNodes(p) {
  if (!p.jobs) return [h("span", { class: "muted" }, "idle")];
  return [p.handler ? h("code", {}, p.handler) : chip(p.channel), p.jobs > 1 && h("span", { class: "muted" }, ` and ${p.jobs - 1} more`)];
}

function messageNodes(w) {
  return [
    w.busy ? chip(w.channel) : h("span", { class: "muted" }, "idle"),
    w.cancelled && h("span", { class: "tag warn" }, "cancelled"), w.leaving && h("span", { class: "tag warn" }, "leaves after this message"),
  ];
}
