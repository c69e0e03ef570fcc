// All channels with their waiting messages, rates and readers. Viewing messages
// does not receive them.
import { h, setText, number, duration, ask, chip, short, toast } from "../dom.js";
import { attempt, getExact, post, errorOf } from "../api.js";
import { allOff, chaosSliders, editRules, ruleOf } from "../chaos.js";
import { Table, nameFilter, since } from "../table.js";
import { WaitingList } from "../waiting.js";
import { compose } from "../compose.js";

const columns = [
  {
    title: "Channel", class: "whole", of: (c) => c.name, shape: (c) => [c.name, c.paused, c.chaos],
    nodes: (c) => [chip(c.name), c.paused && h("span", { class: "tag warn" }, "paused"), c.chaos && h("span", { class: "tag warn", title: c.chaos }, "chaos")],
  },
  { title: "Waiting", class: "whole", about: "Waiting messages and capacity (gauges)", of: (c) => c.depth, down: true, shape: (c) => [c.depth, c.capacity], nodes: (c) => [meter(c), h("span", {}, `${number(c.depth)} of ${number(c.capacity)}`)] },
  { title: "Oldest", class: "num", about: "Age of the first message (gauge)", of: (c) => c.oldestMs, down: true, text: (c) => (c.oldestMs ? duration(c.oldestMs) : "–") },
  { title: "Rate", class: "num", about: "Messages per second (gauge)", of: (c) => c.rate, down: true, text: (c) => number(c.rate) + "/s" },
  { title: "Sent", about: "Total since the server started", of: (c) => c.sent, down: true, text: (c) => number(c.sent), class: "less num" },
  { title: "Refused", about: "Total since the server started: the channel was full", of: (c) => c.refused, down: true, text: (c) => number(c.refused), class: "less num" },
  { title: "Expired", about: "Total since the server started: not received in time", of: (c) => c.expired, down: true, text: (c) => number(c.expired), class: "less num needs-store" },
  { title: "Readers", about: "Readers that are waiting for messages (gauge); messages for an owner are delivered at once", of: (c) => c.readers, down: true, text: (c) => (c.bound ? "owner" : c.readers ? c.readers + " waiting" : c.unread ? "nobody reads it" : "none waiting"), class: "less needs-store" },
];

function meter(c) {
  const fill = h("i", {});
  fill.style.width = Math.min(100, (100 * c.depth) / c.capacity) + "%";
  return h("span", { class: "mini" }, fill);
}

export function channels(shell, params) {
  let chosen = params.name || "";
  let filter = params.filter || "";
  let list = null; // until the first frame
  let rules = []; // chaos rules
  let sliders = null; // of the chosen channel
  const table = new Table({
    name: "pairs", columns, keyOf: (c) => c.name, open: choose,
    empty: () => (filter ? "No channel has this text in its name." : "No channel has been used yet."),
  });
  const note = h("span", { class: "muted" }), legend = h("p", { class: "muted legendline" });
  const detail = h("aside", { class: "detail", hidden: true, "aria-label": "Open channel" });
  const waiting = new WaitingList(refresh);
  const facts = h("p", { class: "facts" });
  const pause = h("button", { class: "needs-store", onclick: () => toggle(chosen) }, "Pause");
  const stepper = h("button", { class: "needs-store", onclick: () => step(chosen) }, "Step");
  const chaosOff = h("button", { class: "chaosoff", hidden: true, onclick: allOff }, "Turn chaos off");
  const node = h("div", { class: "split" },
    h("div", { class: "tools" },
      nameFilter(filter, (text) => { filter = text; draw(); }, () => watch()),
      table.sorter,
      h("button", { class: "needs-store", onclick: breakpoint }, "Pause a channel…"),
      h("button", { onclick: () => compose(shell) }, "Send…"),
      h("button", { onclick: editRules, title: "Drop, delay and reorder messages on purpose" }, "Chaos…"),
      chaosOff,
      h("button", { class: "danger", onclick: flush }, "Flush all…"), note),
    h("div", { class: "scroll" }, table.node, legend),
    detail);

  const viewOf = (name) => list?.find((c) => c.name === name);
  const watch = () => shell.watch({ ...(chosen && { name: chosen }), ...(filter && { like: filter }) });

  async function breakpoint() {
    let paused;
    const v = await ask("Pause a channel", [{ name: "channel", label: "Name; the channel may be unused", value: "http.request" }], "Pause", false,
      ({ channel }) => errorOf(post("channel/pause", { channel }).then((result) => { paused = result.channel || channel; })));
    if (!v || !paused) return;
    // Pausing a reply channel pauses all reply channels of its server.
    toast(paused.endsWith("!") ? `Paused: ${short(paused)} holds all replies to this server` : "Paused: its messages wait and do not expire");
    choose(paused);
  }

  function choose(name) {
    const before = chosen;
    chosen = name;
    detail.hidden = !name;
    table.choose(name);
    waiting.clear();
    if (name) drawHead(name);
    watch();
    if (name) detail.scrollIntoView({ block: "nearest" });
    else table.focus(before);
  }

  function drawHead(name) {
    sliders = chaosSliders(name);
    sliders.draw(rules);
    detail.replaceChildren(
      h("div", { class: "head" }, h("h2", {}, chip(name, name)), h("button", { class: "small", onclick: () => choose(""), "aria-label": "Close", title: "Close (Esc)" }, "✕")),
      facts,
      h("div", { class: "actions left" }, pause,
        stepper,
        h("button", { onclick: () => compose(shell, name, {}) }, "Send…"),
        h("button", { class: "danger needs-store", onclick: drain }, "Drain…"),
        h("a", { class: "needs-store", href: "#/messages?" + new URLSearchParams({ filter: "channel:" + name + (name.endsWith("!") ? "*" : "") }) }, "In Messages")),
      sliders.node,
      h("h3", {}, "Waiting messages, the next one first"), waiting.node);
    detail.scrollTop = 0;
    setText(facts, "");
  }

  async function act(action, channel, message) {
    const result = await attempt(post("channel/" + action, { channel }), message);
    refresh();
    return result;
  }

  // toggle pauses or resumes a channel. The buttons change with the response and
  // not with the next frame, so that a second click does the opposite.
  async function toggle(name) {
    const pausing = !viewOf(name)?.paused;
    if (!await act(pausing ? "pause" : "resume", name)) return;
    const c = viewOf(name);
    if (c) c.paused = pausing;
    draw();
    if (name === chosen) drawPause(pausing);
  }

  function drawPause(paused) {
    setText(pause, paused ? "Resume" : "Pause");
    pause.classList.toggle("primary", !!paused);
    pause.title = paused ? "Deliver all messages (p)" : "Hold the messages of this channel (p)";
    stepper.disabled = !paused;
    stepper.title = paused ? "Deliver one message (s)" : "Delivers one message of a paused channel";
  }

  function step(name) { return act("step", name, (a) => (a.stepped ? "Delivered one message" : "No message is waiting")); }

  async function refresh() {
    const name = chosen;
    const result = name && await getExact("waiting", { channel: name, limit: 50 }).catch(() => null); // the next frame brings it
    if (result && name === chosen) waiting.draw(result.waiting, shell.status.now);
  }

  async function drain() {
    if (await ask(`Drop all waiting messages of ${short(chosen)}?`, [], "Drain", true)) await act("drain", chosen, (a) => `Dropped ${number(a.dropped)}`);
  }

  async function flush() {
    if (await ask("Drop all queued and delayed messages, and all groups?", [], "Flush", true)) {
      await attempt(post("flush"), "Flushed the channel layer");
    }
  }

  function frame(f) {
    if (!f.status) return;
    list = f.channels || [];
    rules = f.status.chaos || [];
    chaosOff.hidden = !rules.length;
    list.forEach((c) => { c.chaos = ruleOf(rules, c.name); });
    const all = f.all || 0;
    setText(note, `${number(all)} ${all === 1 ? "channel" : "channels"}${filter ? " match" : ""}` + (all > list.length ? `; showing the ${list.length} fullest and busiest` : ""));
    setText(legend, f.status.layer ? "Waiting, oldest and rate are gauges of all machines; capacity is this server's setting. Sent and refused are counters in Redis, which end an hour after the last message. Expired and readers are not known." : `Waiting, oldest, rate and readers are gauges. Sent, refused and expired are totals ${since(f.status)}, or since the first use of a channel.`);
    draw();
    if (chosen) drawDetail(f.waiting);
    if (chosen) sliders.draw(rules);
  }

  function draw() {
    if (list) table.draw(list.filter((c) => c.name.includes(filter)));
  }

  function drawDetail(messages) {
    const c = viewOf(chosen);
    drawPause(c?.paused);
    facts.replaceChildren(...(c ? [
      h("span", {}, c.kind), h("span", { title: "Gauges" }, `${number(c.depth)} of ${number(c.capacity)} waiting`), h("span", { title: "Gauge" }, `${number(c.rate)}/s`),
      h("span", { title: "Total " + since(shell.status) }, `${number(c.sent)} sent in total`), c.refused ? h("span", { class: "bad" }, `${number(c.refused)} refused in total`) : "", c.expired ? h("span", { class: "warn" }, `${number(c.expired)} expired in total`) : "",
      c.paused ? h("span", { class: "warn" }, "paused: messages do not expire") : "",
    ] : [h("span", { class: "muted" }, filter ? "does not match the filter" : "not used yet")]));
    waiting.draw(messages, shell.status.now);
    waiting.showRest(c?.depth || 0);
  }

  function key(e) {
    // Keys apply to the focused row, or else to the open channel.
    const name = document.activeElement?.closest(".scroll tr")?.key || chosen;
    if (e.key === "Escape" && chosen) choose("");
    else if (e.key === "p" && name) toggle(name);
    else if (e.key === "s" && viewOf(name)?.paused) step(name);
    else return table.key(e);
    return true;
  }

  return { node, frame, key, started() { if (chosen) choose(chosen); else if (filter) watch(); } };
}
