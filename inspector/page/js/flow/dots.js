// Messages that move along the lines of Flow, drawn as dots on a canvas.
import { colorOf } from "../dom.js";
import { pointAt } from "./routes.js";

const maxDots = 400;
const dotsPerPulse = 5; // in one frame
const frameMs = 100;
const ringMs = 380; // of a message that ends

const colors = {
  sent: "--teal", taken: "--teal", handed: "--teal", reply: "--blue",
  refused: "--red", dropped: "--red", expired: "--amber", delayed: "--violet",
};

export class Dots {
  constructor(routes) {
    this.routes = routes;
    this.canvas = document.createElement("canvas");
    this.canvas.className = "dots";
    this.canvas.setAttribute("aria-hidden", "true");
    this.dots = [];
    this.ink = {};
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.still.onchange = () => {
      this.dots = [];
      this.draw(0);
    };
  }

  // pulse starts dots for messages. share is the recorded part of all traces.
  pulse(p, share) {
    const route = this.routes.byChannel.get(p.channel);
    const fan = p.group ? this.routes.fans.get(p.group) : null;
    if (this.still.matches) {
      if (route) this.routes.light(route);
      if (fan) this.routes.light(fan);
      return;
    }
    const copies = p.n / (share || 1);
    if (fan?.rays.length && p.kind !== "taken") this.fanOut(p, fan, copies > 2 * fan.rays.length ? 2 : 1);
    else if (route) this.follow(p, route, Math.min(dotsPerPulse, Math.ceil(Math.log2(copies + 1))));
    if (this.dots.length && !this.running) this.run();
  }

  follow(p, route, n) {
    const color = colorFor(p, route), ring = ends.has(p.kind);
    const legs = () => {
      const current = this.routes.byChannel.get(p.channel);
      return current ? legsOf(p, current) : [];
    };
    for (let i = 0; i < n; i++) this.add(legs, color, (i * frameMs) / n, ring);
  }

  // fanOut sends one dot to the hub and from there one along each ray.
  fanOut(p, fan, messages) {
    for (let i = 0; i < fan.rays.length; i++) {
      const legs = () => {
        const now = this.routes.fans.get(p.group), through = this.routes.byChannel.get(p.channel);
        if (!now?.rays[i]) return [];
        const rest = through ? legsOf(p, through).filter((l) => l !== through.into) : [];
        const onward = through?.kind === "reply" ? now.onward.slice(i, i + 1) : [];
        return [now.into, now.rays[i], ...onward, ...rest];
      };
      for (let m = 0; m < messages; m++) this.add(legs, "--blue", (m * frameMs) / messages, ends.has(p.kind));
    }
  }

  // add starts one dot along the legs. It calls currentLegs again after the lines
  // have moved.
  add(currentLegs, color, delay, ring) {
    const legs = currentLegs();
    if (this.dots.length >= maxDots || !legs.length) return;
    this.dots.push({ legs, currentLegs, color, ring, ms: timeOf(legs), from: performance.now() + delay });
  }

  // linesMoved moves the dots to the present lines.
  linesMoved() {
    for (const d of this.dots) d.legs = d.currentLegs();
    this.dots = this.dots.filter((d) => d.legs.length);
    for (const d of this.dots) {
      const ms = timeOf(d.legs), now = performance.now();
      if (now > d.from) d.from = now - ((now - d.from) * ms) / d.ms;
      d.ms = ms;
    }
  }

  // run draws at every second screen refresh. That looks the same and saves much
  // work on machines without graphics acceleration.
  run() {
    this.running = requestAnimationFrame((now) => {
      this.running = 0;
      if (now - this.drawn > 24 || !(this.drawn <= now)) {
        this.drawn = now;
        this.dots = this.dots.filter((d) => now - d.from < d.ms + (d.ring ? ringMs : 0));
        this.draw(now);
      }
      if (this.dots.length) this.run();
    });
  }

  resize(width, height) {
    const ratio = devicePixelRatio || 1;
    const w = Math.round(width * ratio), hi = Math.round(height * ratio);
    if (this.canvas.width === w && this.canvas.height === hi) return;
    this.canvas.width = w;
    this.canvas.height = hi;
    this.draw(performance.now());
  }

  themed() { this.ink = {}; }

  draw(now) {
    const ratio = devicePixelRatio || 1;
    const g = this.canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, this.canvas.width / ratio, this.canvas.height / ratio);
    for (const d of this.dots) {
      const age = now - d.from;
      if (age < 0) continue;
      g.fillStyle = g.strokeStyle = this.ink[d.color] ||= colorOf(d.color);
      g.beginPath();
      if (age < d.ms) g.arc(...positionOf(d, age), 3.2, 0, 7);
      else g.arc(...pointAt(d.legs[d.legs.length - 1], 1), 3 + (9 * (age - d.ms)) / ringMs, 0, 7);
      if (age < d.ms) g.fill();
      else {
        g.globalAlpha = 1 - (age - d.ms) / ringMs;
        g.lineWidth = 2;
        g.stroke();
        g.globalAlpha = 1;
      }
    }
  }

  end() { cancelAnimationFrame(this.running); }
}

function positionOf(d, age) {
  for (const leg of d.legs) {
    if (age <= leg.ms) return pointAt(leg, age / leg.ms);
    age -= leg.ms;
  }
  return pointAt(d.legs[d.legs.length - 1], 1);
}

const colorFor = (p, route) => (route.kind === "reply" && (p.kind === "sent" || p.kind === "handed") ? colors.reply : colors[p.kind] || colors.sent);

const timeOf = (legs) => legs.reduce((sum, l) => sum + l.ms, 0);

// ends are the kinds of events that end a message. They are drawn as a ring.
const ends = new Set(["refused", "delayed", "expired", "dropped"]);

// legsOf returns the legs along which messages moved.
const legsOf = (p, route) => allLegs(p, route).filter(Boolean); // without those of a reader that has gone

function allLegs(p, route) {
  // A message on an own channel that the application did not send came from outside.
  const into = route.kind === "own" && !p.worker ? [] : [route.into];
  switch (p.kind) {
    case "taken": return [route.out];
    case "handed": return [...into, route.along, route.out];
    case "refused":
    case "delayed": return [route.into];
    case "expired":
    case "dropped": return [route.along];
  }
  return route.kind === "reply" && !route.held ? [...into, route.along, route.out] : [...into, route.along];
}
