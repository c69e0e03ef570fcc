// Flow: the protocol server, channels as pipes, workers as cells, groups as fans,
// and the messages that move between them.
import { h, setText, number, duration, bytes, time } from "../dom.js";
import { Chart } from "../chart.js";
import { Cells } from "../flow/cells.js";
import { Dots } from "../flow/dots.js";
import { Fans } from "../flow/fans.js";
import { Pipes } from "../flow/pipes.js";
import { Remotes } from "../flow/remotes.js";
import { Routes } from "../flow/routes.js";

export function flow(shell) {
  let stale = true; // whether the stations have moved
  let machines = []; // on the layer
  const changed = () => { stale = true; };

  const sockets = h("b", {}), requests = h("b", {}), socketWord = h("span", {}), requestWord = h("span", {});
  const datagrams = h("p", { class: "muted datagrams", hidden: true });
  const front = h("section", { class: "card station front" }, h("h2", {}, "Protocol server"),
    h("p", { class: "figure", title: "Gauge" }, sockets, socketWord),
    h("p", { class: "figure" }, requests, requestWord),
    datagrams,
    h("a", { href: "#/connections", class: "further" }, "Connections"));

  const pipes = new Pipes(shell, changed);
  const note = h("p", { class: "muted note" }), invitation = h("p", { class: "invite", hidden: true });
  const layer = h("section", { class: "card station layer" }, h("h2", {}, "Channel layer"), pipes.node, invitation, note, h("a", { href: "#/channels", class: "further" }, "All channels"));

  const cells = new Cells(), remotes = new Remotes();
  const busy = h("p", { class: "muted" }), broken = h("a", { class: "bad broken", href: "#/reloads", hidden: true });
  const pool = h("section", { class: "card station pool" }, h("h2", {}, "Workers"), busy, broken, cells.node, cells.description, remotes.node, h("a", { href: "#/workers", class: "further" }, "All workers"));

  const fans = new Fans(changed);
  const groups = h("section", { class: "card station groups" }, h("h2", {}, "Groups"), fans.node, fans.more);

  const stage = h("div", { class: "stage" }, front, layer, h("div", { class: "side" }, pool, groups));
  const routes = new Routes(stage);
  const dots = new Dots(routes);
  stage.append(routes.node, dots.canvas);

  const charts = [
    new Chart("Throughput", "per second", [{ label: "messages", key: "sent", color: "--teal", fill: "--teal-soft" }, { label: "requests", key: "http", color: "--blue" }], number),
    new Chart("Latency", "of requests", [{ label: "p50", key: "p50", color: "--teal", of: "http" }, { label: "p95", key: "p95", color: "--amber", of: "http" }, { label: "p99", key: "p99", color: "--red", of: "http" }], duration),
    new Chart("Waiting", "messages in queues", [{ label: "waiting", key: "waiting", color: "--violet", fill: "--violet-soft" }, { label: "refused/s", key: "refused", color: "--red" }], number),
  ];
  const node = h("div", { class: "flowview" }, stage, h("div", { class: "charts" }, charts.map((c) => c.node)));

  const observer = new ResizeObserver(measure);
  for (const station of [stage, front, pipes.node, pool, fans.node]) observer.observe(station);

  function measure() {
    if (!stage.isConnected) return;
    stale = false;
    routes.measure(front, pool, pipes.shown, fans.shown);
    for (const p of pipes.shown) if (routes.byChannel.has(p.name)) routes.byChannel.get(p.name).held = p.held;
    dots.linesMoved();
    dots.resize(stage.clientWidth, stage.clientHeight);
  }

  function frame(f, first) {
    if (first) for (const c of charts) c.points = [];
    for (const c of charts) c.add(f.points);
    const s = shell.status;
    drawText(s, f.remotes || []);
    // A page that embeds Flow has few channels; those without messages are left out.
    pipes.draw((f.channels || []).filter((c) => !shell.embedded || c.sent || c.depth));
    pipes.drawer.waiting(f.waiting);
    cells.draw(f.workers || [], f.did || [], s);
    machines = f.machines || machines;
    remotes.draw(f.remotes || [], machines, s.now);
    fans.draw(f.groups || [], s.groups);
    if (stale) measure();
    routes.fade();
    for (const p of f.pulses || []) dots.pulse(p, s.share);
  }

  function drawText(s, elsewhere) {
    const since = time(s.since);
    setText(sockets, number(s.sockets));
    setText(socketWord, s.sockets === 1 ? " WebSocket open" : " WebSockets open");
    setText(requests, number(s.requests));
    setText(requestWord, s.requests === 1 ? " request in total" : " requests in total");
    datagrams.hidden = !s.udp;
    setText(datagrams, `Datagrams on ${s.udp}`);
    requests.parentNode.title = "Total since " + since;
    setText(note, (s.layer ? `${number(s.sent)} ${s.sent === 1 ? "message" : "messages"} of all machines, as Redis counts them`
      : `${number(s.sent)} ${s.sent === 1 ? "message" : "messages"} in total since ${since} · ${bytes(s.memory)} of ${bytes(s.limit)} in queues`) +
      (s.delayed ? ` · ${number(s.delayed)} delayed` : "") + (s.share < 0.999 ? ` · ${percent(s.share)} of the traces recorded` : ""));
    setText(busy, s.workers ? `${s.busy} of ${s.workers} busy · generation ${s.generation ?? "–"}` : elsewhere.length ? "The workers run in other processes." : "This process has no workers (--no-workers).");
    busy.title = "Gauges" + (s.kind ? `; the application is ${s.kind === "loop" ? "a loop" : "routed"}` : "");
    broken.hidden = !s.error;
    setText(broken, s.generation ? `The last edit does not load; generation ${s.generation} continues to run. Show the error.` : "The application does not load. Show the error.");
    invite(s);
  }

  function invite(s) {
    const quiet = !s.sent;
    if (invitation.hidden !== quiet) return;
    invitation.hidden = !quiet;
    if (!quiet) return;
    if (shell.embedded) return setText(invitation, "No messages yet. The buttons of the page send some.");
    invitation.replaceChildren(h("strong", {}, "No messages yet."), " ",
      ...(/^https?:/.test(s.app) ? [h("a", { href: s.app, target: "_blank", rel: "noreferrer" }, "Open the application"), ", or use "] : ["Use "]),
      h("a", { href: "#/play" }, "Play"), ": its sockets and requests appear here.");
  }

  return {
    node, frame,
    started: measure,
    key: (e) => pipes.key(e),
    themed() { for (const c of charts) c.draw(); dots.themed(); },
    end() { for (const c of charts) c.destroy(); observer.disconnect(); dots.end(); },
  };
}

const percent = (share) => (share * 100 < 1 ? "less than 1" : Math.round(share * 100)) + " %";
