// The architecture, alive: protocol server, channels as pipes, workers as
// cells, groups as fans, and the messages that move between them.
import { h, keep, setText, number, took, bytes, short, colorOf } from "../dom.js";
import { attempt, post } from "../api.js";
import { Chart } from "../chart.js";

const maxDots = 240;
const protocol = ["http.request", "websocket.connect", "websocket.receive"];

export function flow(shell) {
  const front = {
    sockets: h("b", {}), requests: h("b", {}),
    node: h("section", { class: "card station front" }),
  };
  front.node.append(h("h2", {}, "Protocol server"),
    h("p", { class: "figure" }, front.sockets, h("span", {}, " WebSockets open")),
    h("p", { class: "figure" }, front.requests, h("span", {}, " requests in all")),
    h("a", { href: "#/connections", class: "more" }, "Connections"));

  const pipes = h("div", { class: "pipes" });
  const layerNote = h("p", { class: "muted" });
  const layer = h("section", { class: "card station layer" },
    h("h2", {}, "Channel layer"), pipes, layerNote, h("a", { href: "#/channels", class: "more" }, "All channels"));

  const cells = h("div", { class: "cells" });
  const workersNote = h("p", { class: "muted" });
  const pool = h("section", { class: "card station pool" },
    h("h2", {}, "Workers"), workersNote, cells, h("a", { href: "#/workers", class: "more" }, "What they do"));

  const fans = h("div", { class: "fans" });
  const fansBox = h("section", { class: "card fansbox" }, h("h2", {}, "Groups"), fans);
  const canvas = h("canvas", { class: "lines", "aria-hidden": "true" });
  const stage = h("div", { class: "stage" }, canvas, front.node, layer, pool);

  const throughput = new Chart("Throughput", "a second",
    [{ label: "messages", key: "sent", color: "--teal", fill: "--teal-soft" }, { label: "requests", key: "http", color: "--blue" }], number);
  const latency = new Chart("Latency", "of requests",
    [{ label: "p50", key: "p50", color: "--teal" }, { label: "p95", key: "p95", color: "--amber" }, { label: "p99", key: "p99", color: "--red" }], took);
  const depth = new Chart("Waiting", "messages in queues", [{ label: "waiting", key: "waiting", color: "--violet", fill: "--violet-soft" }, { label: "refused/s", key: "refused", color: "--red" }], number);

  const node = h("div", {}, stage, fansBox, h("div", { class: "charts" }, throughput.node, latency.node, depth.node));
  const dots = new Dots(canvas, stage, front.node, pool, pipes);

  // Pipes keep their place: a list that jumps cannot be read.
  const order = [];
  function frame(f, first) {
    if (first) for (const c of [throughput, latency, depth]) c.points = [];
    for (const c of [throughput, latency, depth]) c.add(f.points);
    const s = shell.status;
    setText(front.sockets, number(s.sockets));
    setText(front.requests, number(s.requests));
    drawPipes(f);
    drawCells(f.workers || []);
    drawFans(f.groups || []);
    setText(layerNote, `${number(s.sent)} messages since ${new Date(s.since).toLocaleTimeString()} · ${bytes(s.memory)} of ${bytes(s.limit)} in queues` +
      (s.delayed ? ` · ${number(s.delayed)} delayed` : "") + (s.share < 0.999 ? ` · ${percent(s.share)} of the traces are recorded` : ""));
    dots.lines();
    for (const p of f.pulses || []) dots.pulse(p);
  }

  function drawPipes(f) {
    const seen = new Map((f.channels || []).map((c) => [c.name, c]));
    for (const name of seen.keys()) if (!order.includes(name)) order.push(name);
    order.sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
    const list = order.filter((name) => seen.has(name)).slice(0, 12).map((name) => seen.get(name));
    keep(pipes, list, (c) => c.name, (c) => pipe(c, shell), drawPipe);
    if (!list.length) pipes.replaceChildren(h("p", { class: "muted empty" }, "No channel has been used yet. Open the application in a browser, or try Play."));
  }

  function drawCells(list) {
    const busy = list.filter((w) => w.busy).length;
    setText(workersNote, `${busy} of ${list.length} busy · generation ${shell.status.generation ?? "–"}${shell.status.kind ? ", " + shell.status.kind : ""}`);
    keep(cells, list.slice(0, 128).map(({ since, trace, ...w }) => w), (w) => w.number, () => h("a", { class: "cell", href: "#/workers" }), (node, w) => {
      node.className = "cell" + (w.busy ? " busy" : "") + (w.cancelled ? " stuck" : "");
      node.title = w.busy ? `Worker ${w.number}: ${w.handler || ""} on ${w.channel}` : `Worker ${w.number}: waits`;
      setText(node, w.number);
    });
  }

  function drawFans(list) {
    keep(fans, list, (g) => g.name, (g) => fan(g, shell), (node, g) => node.draw(g));
    if (!list.length) fans.replaceChildren(h("p", { class: "muted empty" }, "No groups. A group sends one message to all its members."));
  }

  return {
    node, frame,
    themed() { for (const c of [throughput, latency, depth]) c.draw(); dots.colors = {}; dots.lines(); },
    end() { for (const c of [throughput, latency, depth]) c.destroy(); dots.end(); },
  };
}

const percent = (share) => (share * 100 < 1 ? "under 1" : Math.round(share * 100)) + " %";

function rank(name) {
  const at = protocol.indexOf(name);
  if (at >= 0) return at;
  if (name.includes("!")) return 90;
  return name.endsWith(".disconnect") ? 50 : 20;
}

function pipe(c, shell) {
  const act = (what, said) => (e) => { e.stopPropagation(); e.preventDefault(); attempt(post("channel/" + what, { channel: c.name }), said); };
  const node = h("div", { class: "pipe", tabIndex: 0, role: "link", onclick: () => shell.go("channels", { name: c.name }), onkeydown: (e) => { if (e.key === "Enter" && e.target === node) shell.go("channels", { name: c.name }); } },
    h("span", { class: "name", title: c.name }, short(c.name)),
    h("span", { class: "tube" }, h("span", { class: "fill" })),
    h("span", { class: "rate", title: "Messages a second (a gauge)" }),
    h("span", { class: "depth", title: "Waiting, and room (gauges)" }),
    h("span", { class: "age", title: "How long the first has waited" }),
    h("span", { class: "acts" },
      h("button", { class: "small pause", title: "Hold what is sent to this channel" , onclick: (e) => act(node.classList.contains("paused") ? "resume" : "pause")(e) }, "❚❚"),
      h("button", { class: "small step", title: "Let one message pass", onclick: act("step", (a) => (a.stepped ? "One message passed" : "Nothing waits")) }, "Step")));
  return node;
}

function drawPipe(node, c) {
  node.classList.toggle("paused", c.paused);
  node.classList.toggle("full", c.depth >= c.capacity);
  const [, tube, rate, depth, age, acts] = node.children;
  tube.firstChild.style.width = Math.min(100, c.depth ? Math.max(3, (100 * c.depth) / c.capacity) : 0) + "%";
  setText(rate, number(c.rate) + "/s");
  setText(depth, c.bound && !c.paused ? "pushed" : `${number(c.depth)} / ${number(c.capacity)}`);
  setText(age, c.oldestMs ? took(c.oldestMs) : c.readers ? `${c.readers} listen` : "");
  setText(acts.firstChild, c.paused ? "▶" : "❚❚");
  acts.firstChild.title = c.paused ? "Let all go on" : "Hold what is sent to this channel";
}

const svg = (tag, attributes, ...children) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [k, v] of Object.entries(attributes)) node.setAttribute(k, v);
  node.append(...children);
  return node;
};

function fan(g, shell) {
  const picture = svg("svg", { viewBox: "0 0 90 60", class: "fan" });
  const members = h("span", { class: "muted" });
  const node = h("a", { class: "fancard", href: "#/groups?" + new URLSearchParams({ name: g.name }) }, picture, h("span", {}, h("b", {}, g.name), members));
  node.draw = (now) => {
    const n = Math.min(now.members, 12);
    const rays = [];
    for (let i = 0; i < n; i++) {
      const y = n === 1 ? 30 : 5 + (50 * i) / (n - 1);
      rays.push(svg("path", { d: `M8 30 C 40 30, 40 ${y}, 76 ${y}` }), svg("circle", { cx: 79, cy: y, r: 2.6 }));
    }
    picture.replaceChildren(...rays, svg("circle", { cx: 8, cy: 30, r: 4.5, class: "hub" }));
    setText(members, `${number(now.members)} member${now.members === 1 ? "" : "s"}`);
  };
  return node;
}

// Dots are messages on their way along the lines between the stations.
class Dots {
  constructor(canvas, stage, front, pool, pipes) {
    Object.assign(this, { canvas, stage, front, pool, pipes });
    this.dots = [];
    this.colors = {};
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.observer = new ResizeObserver(() => this.lines());
    this.observer.observe(stage);
  }

  // lines measures where the stations are and draws the ways between them.
  lines() {
    const box = this.stage.getBoundingClientRect();
    const ratio = devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(box.width * ratio) || this.canvas.height !== Math.round(box.height * ratio)) {
      this.canvas.width = Math.round(box.width * ratio);
      this.canvas.height = Math.round(box.height * ratio);
    }
    const at = (r) => ({ left: r.left - box.left, right: r.right - box.left, top: r.top - box.top, bottom: r.bottom - box.top, x: (r.left + r.right) / 2 - box.left, y: (r.top + r.bottom) / 2 - box.top });
    const front = at(this.front.getBoundingClientRect());
    const pool = at(this.pool.getBoundingClientRect());
    this.stacked = front.bottom <= pool.top + 1;
    this.ways = new Map();
    for (const [name, entry] of this.pipes.kept || []) {
      const pipe = at(entry.node.getBoundingClientRect());
      // Messages run below a channel's figures, so that these stay readable.
      const { left, right, bottom: y } = pipe;
      this.ways.set(name, this.stacked
        ? { in: [left, front.bottom, left, y], along: [left, y, right, y], out: [right, y, right, pool.top] }
        : { in: [front.right, clamp(y, front), left, y], along: [left, y, right, y], out: [right, y, pool.left, clamp(y, pool)] });
    }
    this.draw();
  }

  pulse(p) {
    const way = this.ways.get(p.channel);
    if (!way || this.still.matches) return;
    const reply = p.channel.includes("!");
    const outside = protocol.includes(p.channel) || p.channel.endsWith("disconnect");
    let legs;
    const sent = outside ? [way.in, way.along] : [back(way.out), back(way.along), way.along];
    if (p.kind === "taken") legs = [way.out];
    else if (p.kind === "handed") legs = [...sent, way.out];
    else if (p.kind === "sent" && reply) legs = [back(way.out), back(way.along), back(way.in)];
    else if (p.kind === "sent") legs = sent;
    else legs = [way.along];
    const n = Math.min(6, Math.ceil(Math.log2(p.n + 1)));
    for (let i = 0; i < n && this.dots.length < maxDots; i++) {
      this.dots.push({ legs, from: performance.now() + (i * 100) / n, kind: p.kind === "sent" && reply ? "reply" : p.kind });
    }
    if (!this.running) this.run();
  }

  run() {
    this.running = requestAnimationFrame((now) => {
      this.dots = this.dots.filter((d) => now - d.from < 260 * d.legs.length);
      this.draw(now);
      this.running = 0;
      if (this.dots.length) this.run();
    });
  }

  draw(now) {
    const ratio = devicePixelRatio || 1;
    const g = this.canvas.getContext("2d");
    const color = (name) => this.colors[name] || (this.colors[name] = colorOf(name));
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, this.canvas.width, this.canvas.height);
    g.strokeStyle = color("--way");
    g.lineWidth = 1.25;
    for (const way of this.ways?.values() || []) {
      for (const leg of [way.in, way.along, way.out]) {
        g.beginPath();
        g.moveTo(leg[0], leg[1]);
        g.bezierCurveTo(...bend(leg, this.stacked));
        g.stroke();
      }
    }
    const colors = { sent: color("--teal"), reply: color("--blue"), taken: color("--teal"), handed: color("--teal"), refused: color("--red"), expired: color("--amber"), dropped: color("--red"), delayed: color("--violet") };
    for (const d of this.dots) {
      const t = (now - d.from) / 260;
      if (!(t >= 0)) continue;
      const leg = d.legs[Math.min(Math.floor(t), d.legs.length - 1)];
      const [x, y] = along(leg, t - Math.floor(t), this.stacked);
      g.fillStyle = colors[d.kind] || colors.sent;
      g.beginPath();
      g.arc(x, y, 3, 0, 7);
      g.fill();
    }
  }

  end() {
    cancelAnimationFrame(this.running);
    this.observer.disconnect();
  }
}

const clamp = (y, box) => Math.min(Math.max(y, box.top + 14), box.bottom - 14);
const back = ([x1, y1, x2, y2]) => [x2, y2, x1, y1];

function bend([x1, y1, x2, y2], upright) {
  const mx = (x1 + x2) / 2, my = (y1 + y2) / 2;
  return upright && Math.abs(y2 - y1) > 1 ? [x1, my, x2, my, x2, y2] : [mx, y1, mx, y2, x2, y2];
}

function along(leg, t, upright) {
  const [ax, ay, bx, by, x2, y2] = bend(leg, upright);
  const u = 1 - t;
  const mix = (p0, p1, p2, p3) => u * u * u * p0 + 3 * u * u * t * p1 + 3 * u * t * t * p2 + t * t * t * p3;
  return [mix(leg[0], ax, bx, x2), mix(leg[1], ay, by, y2)];
}
