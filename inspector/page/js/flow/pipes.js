// Channels as pipes, with their depth, rate and age, and a button that pauses
// them.
import { h, updateChildren, setText, setName, number, duration, short, stepOf } from "../dom.js";
import { attempt, post } from "../api.js";
import { Drawer } from "./drawer.js";

const maxOwn = 6; // channels of the application
const maxReplies = 2;
const goneMs = 4000; // how long a pipe without a reader fades before it leaves
const maxBeads = 24; // waiting messages that are drawn one by one
const protocol = ["http.request", "websocket.connect", "websocket.receive"];

export class Pipes {
  // changed is called when the pipes or their places change.
  constructor(shell, changed) {
    this.shell = shell;
    this.changed = changed;
    this.node = h("div", { class: "pipes" });
    this.own = []; // shown channels of the application
    this.shown = [];
    this.gone = new Map(); // channels whose reader has gone, to the time when that was seen
    this.owned = []; // shown channels that only one reader can read
    this.drawer = new Drawer(shell, (name) => this.opened(name));
  }

  draw(channels) {
    const seen = new Map(this.present(fold(channels)).map((c) => [c.name, c]));
    const names = [...seen.keys()];
    this.own = chooseOwn(this.own, names.filter((name) => kindOf(name) === "own").map((name) => seen.get(name)));
    this.order = [...names.filter((name) => kindOf(name) === "in"), ...this.own, ...names.filter((name) => kindOf(name) === "reply").slice(0, maxReplies)];
    const list = this.order.sort((a, b) => rank(a) - rank(b) || a.localeCompare(b)).map((name) => seen.get(name));
    updateChildren(this.node, list, (c) => c.name, (c) => this.pipe(c), drawPipe);
    const shape = list.map((c) => c.name + (c.paused ? " held" : "") + (c.unread ? " unread" : "")).join("\n");
    this.shown = list.map((c) => ({ name: c.name, kind: kindOf(c.name), held: c.paused, read: !c.unread, tube: this.nodeOf(c.name).querySelector(".tube") }));
    if (shape !== this.shape) this.changed();
    this.shape = shape;
    this.drawer.draw(list.find((c) => c.name === this.drawer.name));
  }

  // present leaves out the channels whose reader has gone for good, after they have
  // faded. Those that are gone when the page opens never show. A channel that the
  // server has removed fades too.
  present(channels) {
    const now = performance.now();
    const seen = new Set(channels.map((c) => c.name));
    const removed = this.owned.filter((c) => !seen.has(c.name)).map((c) => ({ ...c, unread: true, paused: false, depth: 0, rate: 0, oldestMs: 0 }));
    const all = [...channels, ...removed];
    this.gone = new Map(all.filter(isGone).map((c) => [c.name, this.gone.get(c.name) ?? (this.order ? now : -Infinity)]));
    const present = all.filter((c) => !this.gone.has(c.name) || now - this.gone.get(c.name) < goneMs);
    this.owned = present.filter(hasOwner);
    return present;
  }

  nodeOf(name) { return this.node.entries?.get(name)?.node; }

  pipe(c) {
    const { name } = c;
    const act = (action) => attempt(post("channel/" + action, { channel: name }));
    const valve = async () => {
      const hold = !this.nodeOf(name).classList.contains("paused");
      if (await act(hold ? "pause" : "resume") && hold && this.drawer.name !== name) this.drawer.open(name);
    };
    const open = () => (c.folded ? this.shell.go("channels", { filter: name }) : this.drawer.open(this.drawer.name === name ? "" : name));
    const node = h("div", { class: "pipe " + kindOf(name), "data-channel": name },
      h("div", { class: "row", onclick: (e) => { if (!e.target.closest("button")) open(); } },
        h("button", { class: "name", title: name + ": show waiting messages", "aria-expanded": "false", onclick: open }),
        h("span", { class: "rate", title: "Messages per second (gauge)" }),
        h("span", { class: "depth", title: "Waiting messages and capacity (gauges)" }),
        h("span", { class: "age", title: "Age of the first message (gauge)" }),
        h("span", { class: "acts needs-store", hidden: c.folded },
          h("button", { class: "small step", title: "Deliver one message (s)", onclick: () => this.drawer.step(name) }, "Step"),
          h("button", { class: "small valve", onclick: valve }, "❚❚"))),
      h("div", { class: "tube" }, h("i", { class: "fill" }), h("i", { class: "beads" })));
    node.valve = c.folded ? null : valve;
    setName(node.querySelector(".name"), short(name, 64));
    return node;
  }

  opened(name) {
    for (const [key, entry] of this.node.entries || []) {
      entry.node.querySelector(".name").setAttribute("aria-expanded", String(key === name));
      entry.node.classList.toggle("open", key === name);
    }
    this.nodeOf(name)?.append(this.drawer.node);
    this.changed();
  }

  // key handles a key for the focused or open pipe and reports whether it did.
  key(e) {
    const names = this.shown.map((p) => p.name);
    const focused = document.activeElement?.closest?.(".pipe")?.dataset.channel;
    const name = focused || this.drawer.name;
    const step = stepOf(e);
    if (step && names.length) {
      const at = names.indexOf(name);
      const next = at < 0 ? (step > 0 ? 0 : names.length - 1) : Math.min(names.length - 1, Math.max(0, at + step));
      this.nodeOf(names[next]).querySelector(".name").focus();
      return true;
    }
    if (e.key === "Escape" && this.drawer.name) {
      const last = this.drawer.name;
      this.drawer.open("");
      this.nodeOf(last)?.querySelector(".name").focus();
      return true;
    }
    if (!name) return false;
    if (e.key === "p") this.nodeOf(name)?.valve?.();
    else if (e.key === "s" && this.nodeOf(name)?.matches(".paused")) this.drawer.step(name);
    else return false;
    return true;
  }
}

// chooseOwn returns which of the application's channels are shown. Shown channels
// stay, because a list that jumps is hard to read, but idle ones make room for
// busy ones. Channels are in order of importance.
function chooseOwn(shown, channels) {
  const now = new Map(channels.map((c) => [c.name, c]));
  const chosen = shown.filter((name) => now.has(name));
  const idle = ({ depth, rate, paused }) => !depth && !rate && !paused;
  for (const c of channels) {
    if (chosen.includes(c.name)) continue;
    if (chosen.length < maxOwn) chosen.push(c.name);
    else if (!idle(c)) {
      const idlest = chosen.findLastIndex((name) => (c.paused ? !now.get(name).paused : idle(now.get(name))));
      if (idlest >= 0) chosen[idlest] = c.name;
    }
  }
  return chosen;
}

// fold joins single-reader channels with the same prefix, because they come and
// go too quickly to be read.
function fold(channels) {
  const all = new Map();
  for (const c of channels) {
    const at = c.name.indexOf("?");
    const name = at < 0 ? c.name : c.name.slice(0, at + 1);
    const old = all.get(name);
    if (!old) all.set(name, at < 0 ? c : { ...c, name, folded: true });
    else Object.assign(old, { depth: old.depth + c.depth, capacity: old.capacity + c.capacity, rate: old.rate + c.rate, unread: old.unread && c.unread, oldestMs: Math.max(old.oldestMs, c.oldestMs), paused: old.paused || c.paused });
  }
  return [...all.values()];
}

function rank(name) {
  const at = protocol.indexOf(name);
  if (at >= 0) return at;
  if (name.includes("!")) return 90;
  if (kindOf(name) === "own") return 60;
  return name.endsWith(".disconnect") ? 50 : 20;
}

function kindOf(name) {
  if (name.includes("!")) return "reply";
  return /^(http|websocket|udp)\./.test(name) ? "in" : "own";
}

// hasOwner reports whether only one reader can ever read a channel.
const hasOwner = (c) => /[!?]/.test(c.name);

const isGone = (c) => Boolean(hasOwner(c) && c.unread && !c.depth && !c.paused);

function drawPipe(node, c) {
  node.classList.toggle("unread", Boolean(c.unread));
  node.classList.toggle("gone", isGone(c));
  node.classList.toggle("paused", c.paused);
  node.classList.toggle("full", c.depth >= c.capacity);
  const [row, tube] = node.children;
  const [, rate, depth, age, acts] = row.children;
  const [step, valve] = acts.children;
  tube.children[0].style.width = Math.min(100, c.depth ? Math.max(1, (100 * c.depth) / c.capacity) : 0) + "%";
  tube.children[1].style.width = Math.min(maxBeads, c.depth) * 10 + "px";
  setText(rate, number(c.rate) + "/s");
  setText(depth, c.bound && !c.paused && !c.depth ? "delivered at once" : `${number(c.depth)} of ${number(c.capacity)} waiting`);
  setText(age, c.unread ? (hasOwner(c) ? "reader has gone" : "nobody reads it") : c.oldestMs ? "oldest " + duration(c.oldestMs) : "oldest –");
  age.title = c.oldestMs ? `Age of the first message: ${duration(c.oldestMs)} (gauge)` : "Age of the first message (gauge)";
  step.hidden = !c.paused;
  setText(valve, c.paused ? "▶" : "❚❚");
  valve.title = c.paused ? "Resume: deliver all messages (p)" : "Pause: hold the messages of this channel (p)";
  valve.setAttribute("aria-label", (c.paused ? "Resume " : "Pause ") + c.name);
}
