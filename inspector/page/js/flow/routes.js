// The routes of messages between the stations of Flow, and their lines. A leg is
// a part of a route: its points, and the time that a message needs for it.

const samples = 18;
const pixelsPerMs = 0.5;

function svg(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function leg(points) {
  const far = [0];
  for (let i = 1; i < points.length; i++) {
    far.push(far[i - 1] + Math.hypot(points[i][0] - points[i - 1][0], points[i][1] - points[i - 1][1]));
  }
  const length = far[far.length - 1];
  return { points, far, length, ms: Math.min(650, Math.max(120, length / pixelsPerMs)) };
}

export function pointAt({ points, far, length }, share) {
  const want = share * length;
  let i = 1;
  while (i < far.length - 1 && far[i] < want) i++;
  const t = far[i] > far[i - 1] ? (want - far[i - 1]) / (far[i] - far[i - 1]) : 1;
  return [points[i - 1][0] + (points[i][0] - points[i - 1][0]) * t, points[i - 1][1] + (points[i][1] - points[i - 1][1]) * t];
}

function bezier([x1, y1], [ax, ay], [bx, by], [x2, y2]) {
  const points = [];
  for (let i = 0; i <= samples; i++) {
    const t = i / samples, u = 1 - t;
    const mix = (p, a, b, q) => u * u * u * p + 3 * u * u * t * a + 3 * u * t * t * b + t * t * t * q;
    points.push([mix(x1, ax, bx, x2), mix(y1, ay, by, y2)]);
  }
  return points;
}

// swing returns a curve that starts and ends horizontally.
function swing([x1, y1], [x2, y2]) {
  const middle = (x1 + x2) / 2;
  return bezier([x1, y1], [middle, y1], [middle, y2], [x2, y2]);
}

// round returns a line with rounded corners.
function round(...corners) {
  const points = [corners[0]];
  for (let i = 1; i < corners.length - 1; i++) {
    const [before, corner, after] = [corners[i - 1], corners[i], corners[i + 1]];
    points.push(...bezier(near(corner, before), corner, corner, near(corner, after)));
  }
  return [...points, corners[corners.length - 1]];
}

function near([x, y], [toX, toY]) {
  const length = Math.hypot(toX - x, toY - y) || 1;
  const share = Math.min(8, length / 2) / length;
  return [x + (toX - x) * share, y + (toY - y) * share];
}

const joined = (...parts) => parts.flat();
const straight = (...points) => points;

// spread returns the heights at which n lines meet the side of a station.
function spread(box, n) {
  const room = Math.min(box.bottom - box.top - 28, n * 26);
  return (i) => (box.top + box.bottom) / 2 + room * ((i + 0.5) / n - 0.5);
}

// routesOf returns the routes through the pipes, by channel. A pipe is { name,
// kind, read, box }; read says whether it has a reader, its kind is "in" for messages from the protocol server, "own" for
// messages that the application sends to itself, "reply" for replies. A route
// without a reader has no leg out.
function routesOf(pipes, front, pool) {
  const routes = new Map();
  const stacked = front.bottom <= pool.top;
  const atFront = spread(front, pipes.filter((p) => p.kind !== "own").length);
  const atPool = spread(pool, pipes.filter((p) => p.read || p.kind === "reply").length + pipes.filter((p) => p.kind === "own").length);
  let f = 0, w = 0;
  for (const { name, kind, read, box } of pipes) {
    const { left, right, y } = box;
    const lane = box.bottom + 5; // back to the inlet, below the tube
    const turn = [[left, lane], [left - 9, lane], [left - 9, y], [left, y]];
    const sides = stacked ? {
      front: () => round([left - 9, front.bottom], [left - 9, y], [left, y]),
      pool: () => round([right, y], [right + 9, y], [right + 9, pool.top]),
      lane: () => round([right + 9, pool.top], [right + 9, lane], [right, lane]),
    } : {
      front: () => swing([front.right, atFront(f++)], [left, y]),
      pool: () => swing([right, y], [pool.left, atPool(w++)]),
      lane: () => swing([pool.left, atPool(w++)], [right, lane]),
    };
    const along = straight([left, y], [right, y]);
    if (kind === "reply") {
      routes.set(name, { kind, into: leg(sides.pool().reverse()), along: leg(along.reverse()), out: read && leg(sides.front().reverse()) });
    } else if (kind === "own") {
      const out = read && leg(sides.pool()); // first, because its place on the pool's side is above
      routes.set(name, { kind, into: leg(joined(sides.lane(), round(...turn))), along: leg(along), out });
    } else {
      routes.set(name, { kind, into: leg(sides.front()), along: leg(along), out: read && leg(sides.pool()) });
    }
  }
  return routes;
}

// fansOf returns the route from the workers to each group's hub, the rays to its
// members, and the lines from there into the pipe of replies if that is beside it.
function fansOf(fans, pool, inlet) {
  const all = new Map();
  for (const { name, members, box } of fans) {
    const hub = [box.right - 7, box.y];
    const rays = [], onward = [];
    const n = Math.min(members, 12);
    for (let i = 0; i < n; i++) {
      const end = [box.left + 7, n === 1 ? box.y : box.top + 5 + ((box.bottom - box.top - 10) * i) / (n - 1)];
      rays.push(leg(swing(hub, end)));
      if (inlet && inlet[0] < box.left) onward.push(leg(swing(end, inlet)));
    }
    const trunk = onward.length ? leg(swing([box.left + 7, box.y], inlet)) : null;
    all.set(name, { into: leg(straight([hub[0], pool.bottom], hub)), rays, onward, trunk, hub });
  }
  return all;
}

const path = ({ points }, name = "") => svg("path", { class: name, d: "M" + points.map(([x, y]) => x.toFixed(1) + " " + y.toFixed(1)).join("L") });

function arrow({ points }) {
  const [x, y] = points[points.length - 1];
  const [bx, by] = points[points.length - 2];
  const turned = (Math.atan2(y - by, x - bx) * 180) / Math.PI;
  return svg("path", { class: "arrow", d: "M-6 -3.5L0 0L-6 3.5", transform: `translate(${x.toFixed(1)} ${y.toFixed(1)}) rotate(${turned.toFixed(0)})` });
}

const dot = ([x, y], r, name) => svg("circle", { class: name, cx: x.toFixed(1), cy: y.toFixed(1), r });

// Routes measures the stations and draws the lines between them.
export class Routes {
  constructor(stage) {
    this.stage = stage;
    this.node = svg("svg", { class: "lines", "aria-hidden": "true" });
    this.byChannel = new Map();
    this.fans = new Map();
    this.lit = new Map(); // element to the time when its light ends
  }

  measure(front, pool, pipes, fans) {
    const origin = this.stage.getBoundingClientRect();
    const boxOf = (node) => {
      const r = node.getBoundingClientRect();
      const box = { left: r.left - origin.left, right: r.right - origin.left, top: r.top - origin.top, bottom: r.bottom - origin.top };
      return { ...box, y: (box.top + box.bottom) / 2 };
    };
    const poolBox = boxOf(pool);
    this.byChannel = routesOf(pipes.map((p) => ({ ...p, box: boxOf(p.tube) })), boxOf(front), poolBox);
    const reply = [...this.byChannel.values()].find((w) => w.kind === "reply");
    this.fans = fansOf(fans.map((g) => ({ ...g, box: boxOf(g.box) })), poolBox, reply?.along.points[0]);
    this.draw();
  }

  draw() {
    this.lit.clear();
    const groups = [];
    for (const route of this.byChannel.values()) {
      route.node = svg("g", { class: "route " + route.kind }, path(route.into), path(route.along, "inside"), arrow(route.into), ...(route.out ? [path(route.out), arrow(route.out)] : []));
      groups.push(route.node);
    }
    for (const fan of this.fans.values()) {
      fan.node = svg("g", { class: "route group" }, path(fan.into), ...fan.rays.map((r) => path(r)), ...(fan.trunk ? [path(fan.trunk, "trunk")] : []),
        ...fan.rays.map((r) => dot(r.points[r.points.length - 1], 3.2, "member")), dot(fan.hub, 5.5, "hub"));
      groups.push(fan.node);
    }
    this.node.replaceChildren(...groups);
  }

  // light highlights a route for a moment, if the reader prefers no motion.
  light(route) {
    route.node.classList.add("lit");
    this.lit.set(route.node, performance.now() + 900);
  }

  fade() {
    const now = performance.now();
    for (const [node, until] of this.lit) {
      if (until > now) continue;
      node.classList.remove("lit");
      this.lit.delete(node);
    }
  }
}
