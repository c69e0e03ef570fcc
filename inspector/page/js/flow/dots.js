// Messages on their way along the lines of Flow, drawn as dots on a canvas.
import { colorOf } from "../dom.js";
import { pointAt } from "./ways.js";

const maxDots = 400;
const perPulse = 5; // of one frame
const frameMs = 100;
const puffMs = 380;

const colors = {
  sent: "--teal", taken: "--teal", handed: "--teal", reply: "--blue",
  refused: "--red", dropped: "--red", expired: "--amber", delayed: "--violet",
};

export class Dots {
  constructor(ways) {
    this.ways = ways;
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

  // pulse sets messages off. Of what was recorded in part, share is the part.
  pulse(p, share) {
    const way = this.ways.through.get(p.channel);
    const fan = p.group ? this.ways.fans.get(p.group) : null;
    if (this.still.matches) {
      if (way) this.ways.light(way);
      if (fan) this.ways.light(fan);
      return;
    }
    const copies = p.n / (share || 1);
    if (fan?.rays.length && p.kind !== "taken") this.fanOut(p, way, fan, copies > 2 * fan.rays.length ? 2 : 1);
    else if (way) this.follow(p, way, Math.min(perPulse, Math.ceil(Math.log2(copies + 1))));
    if (this.dots.length && !this.running) this.run();
  }

  follow(p, way, n) {
    const color = colorFor(p, way), puff = ends.has(p.kind);
    const legs = () => {
      const now = this.ways.through.get(p.channel);
      return now ? journey(p, now) : [];
    };
    for (let i = 0; i < n; i++) this.add(legs, color, (i * frameMs) / n, puff);
  }

  // fanOut sends one dot to the hub and from there one along each ray.
  fanOut(p, way, fan, messages) {
    for (let i = 0; i < fan.rays.length; i++) {
      const legs = () => {
        const now = this.ways.fans.get(p.group), through = this.ways.through.get(p.channel);
        if (!now?.rays[i]) return [];
        const rest = through ? journey(p, through).filter((l) => l !== through.into) : [];
        const onward = through?.kind === "reply" ? now.onward.slice(i, i + 1) : [];
        return [now.into, now.rays[i], ...onward, ...rest];
      };
      for (let m = 0; m < messages; m++) this.add(legs, "--blue", (m * frameMs) / messages, ends.has(p.kind));
    }
  }

  // add sets one dot off along the legs, which are asked for again whenever the
  // lines have moved.
  add(legsNow, color, delay, puff) {
    const legs = legsNow();
    if (this.dots.length >= maxDots || !legs.length) return;
    this.dots.push({ legs, legsNow, color, puff, ms: timeOf(legs), from: performance.now() + delay });
  }

  // moved puts the dots where the lines are now.
  moved() {
    for (const d of this.dots) d.legs = d.legsNow();
    this.dots = this.dots.filter((d) => d.legs.length);
    for (const d of this.dots) {
      const ms = timeOf(d.legs), now = performance.now();
      if (now > d.from) d.from = now - ((now - d.from) * ms) / d.ms;
      d.ms = ms;
    }
  }

  // run draws every other picture of the screen: the eye sees no difference, a
  // machine that draws without help does.
  run() {
    this.running = requestAnimationFrame((now) => {
      this.running = 0;
      if (now - this.drawn > 24 || !(this.drawn <= now)) {
        this.drawn = now;
        this.dots = this.dots.filter((d) => now - d.from < d.ms + (d.puff ? puffMs : 0));
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
      if (age < d.ms) g.arc(...placeOf(d, age), 3.2, 0, 7);
      else g.arc(...pointAt(d.legs[d.legs.length - 1], 1), 3 + (9 * (age - d.ms)) / puffMs, 0, 7);
      if (age < d.ms) g.fill();
      else {
        g.globalAlpha = 1 - (age - d.ms) / puffMs;
        g.lineWidth = 2;
        g.stroke();
        g.globalAlpha = 1;
      }
    }
  }

  end() { cancelAnimationFrame(this.running); }
}

function placeOf(d, age) {
  for (const leg of d.legs) {
    if (age <= leg.ms) return pointAt(leg, age / leg.ms);
    age -= leg.ms;
  }
  return pointAt(d.legs[d.legs.length - 1], 1);
}

const colorFor = (p, way) => (way.kind === "reply" && (p.kind === "sent" || p.kind === "handed") ? colors.reply : colors[p.kind] || colors.sent);

const timeOf = (legs) => legs.reduce((sum, l) => sum + l.ms, 0);

// ends are the kinds of what comes no further, which is drawn as a ring.
const ends = new Set(["refused", "delayed", "expired", "dropped"]);

// journey answers the legs of what happened to messages.
function journey(p, way) {
  // What nobody of the application sent to its own channel came from outside.
  const into = way.kind === "own" && !p.worker ? [] : [way.into];
  switch (p.kind) {
    case "taken": return [way.out];
    case "handed": return [...into, way.along, way.out];
    case "refused":
    case "delayed": return [way.into];
    case "expired":
    case "dropped": return [way.along];
  }
  return way.kind === "reply" && !way.held ? [...into, way.along, way.out] : [...into, way.along];
}
