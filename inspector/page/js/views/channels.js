// Every channel: what waits, how fast, who listens. Looking takes nothing.
import { h, setText, number, took, ask, chip, short, toast } from "../dom.js";
import { attempt, exactly, post, refused } from "../api.js";
import { allOff, chaosSliders, editRules, ruleOf } from "../chaos.js";
import { Table, nameFilter, since } from "../table.js";
import { WaitingList } from "../waiting.js";
import { compose } from "../compose.js";

const columns = [
  {
    title: "Channel", class: "whole", of: (c) => c.name, shape: (c) => [c.name, c.paused, c.chaos],
    nodes: (c) => [chip(c.name), c.paused && h("span", { class: "tag warn" }, "paused"), c.chaos && h("span", { class: "tag warn", title: c.chaos }, "chaos")],
  },
  { title: "Waiting", class: "whole", about: "Messages that wait now, of the capacity (gauges)", of: (c) => c.depth, down: true, shape: (c) => [c.depth, c.capacity], nodes: (c) => [meter(c), h("span", {}, `${number(c.depth)} of ${number(c.capacity)}`)] },
  { title: "Oldest", class: "num", about: "How long the first in line has waited now (a gauge)", of: (c) => c.oldestMs, down: true, text: (c) => (c.oldestMs ? took(c.oldestMs) : "–") },
  { title: "Rate", class: "num", about: "Messages a second now (a gauge)", of: (c) => c.rate, down: true, text: (c) => number(c.rate) + "/s" },
  { title: "Sent", about: "A total since the server was started", of: (c) => c.sent, down: true, text: (c) => number(c.sent), class: "less num" },
  { title: "Refused", about: "A total since the server was started: the channel was full", of: (c) => c.refused, down: true, text: (c) => number(c.refused), class: "less num" },
  { title: "Expired", about: "A total since the server was started: nobody took them in time", of: (c) => c.expired, down: true, text: (c) => number(c.expired), class: "less num" },
  { title: "Readers", about: "Who waits for its messages now (a gauge); those of an owner are pushed to it", of: (c) => c.readers, down: true, text: (c) => (c.bound ? "owner" : c.readers ? c.readers + (c.readers === 1 ? " waits" : " wait") : "none"), class: "less" },
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
  let rules = []; // of chaos
  let sliders = null; // of the channel that is chosen
  const table = new Table({
    name: "pairs", columns, keyOf: (c) => c.name, open: choose,
    empty: () => (filter ? "No channel has this in its name." : "No channel has been used yet."),
  });
  const note = h("span", { class: "muted" }), legend = h("p", { class: "muted legendline" });
  const detail = h("aside", { class: "detail", hidden: true, "aria-label": "The channel that is open" });
  const waiting = new WaitingList(refresh);
  const facts = h("p", { class: "facts" });
  const pause = h("button", { onclick: () => turn(chosen) }, "Pause");
  const stepper = h("button", { onclick: () => step(chosen) }, "Step");
  const chaosOff = h("button", { class: "chaotic", hidden: true, onclick: allOff }, "Turn all chaos off");
  const node = h("div", { class: "split" },
    h("div", { class: "tools" },
      nameFilter(filter, (text) => { filter = text; draw(); }, () => watch()),
      table.sorter,
      h("button", { onclick: breakpoint }, "Pause a channel…"),
      h("button", { onclick: () => compose(shell) }, "Send…"),
      h("button", { onclick: editRules, title: "Lose, delay and reorder messages on purpose" }, "Chaos…"),
      chaosOff,
      h("button", { class: "danger", onclick: flush }, "Flush all…"), note),
    h("div", { class: "scroll" }, table.node, legend),
    detail);

  const viewOf = (name) => list?.find((c) => c.name === name);
  const watch = () => shell.watch({ ...(chosen && { name: chosen }), ...(filter && { like: filter }) });

  async function breakpoint() {
    let paused;
    const v = await ask("Pause a channel", [{ name: "channel", label: "Its name; it need not have been used yet", value: "http.request" }], "Pause", false,
      ({ channel }) => refused(post("channel/pause", { channel }).then((answer) => { paused = answer.channel || channel; })));
    if (!v || !paused) return;
    // A reply channel is not paused by itself: all of its server are one line.
    toast(paused.endsWith("!") ? `Paused: ${short(paused)} holds every reply of this server` : "Paused: what is sent to it waits, and does not expire");
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
        h("button", { class: "danger", onclick: drain }, "Drain…"),
        h("a", { href: "#/messages?" + new URLSearchParams({ filter: "channel:" + name + (name.endsWith("!") ? "*" : "") }) }, "In Messages")),
      sliders.node,
      h("h3", {}, "What waits, the next first"), waiting.node);
    detail.scrollTop = 0;
    setText(facts, "");
  }

  async function act(what, channel, said) {
    await attempt(post("channel/" + what, { channel }), said);
    refresh();
  }

  function turn(name) { return act(viewOf(name)?.paused ? "resume" : "pause", name); }

  function step(name) { return act("step", name, (a) => (a.stepped ? "One message passed" : "Nothing waits")); }

  async function refresh() {
    const name = chosen;
    const answer = name && await exactly("waiting", { channel: name, limit: 50 }).catch(() => null); // the next frame has it
    if (answer && name === chosen) waiting.draw(answer.waiting, shell.status.now);
  }

  async function drain() {
    if (await ask(`Drop all that waits on ${short(chosen)}?`, [], "Drain", true)) await act("drain", chosen, (a) => `${number(a.dropped)} dropped`);
  }

  async function flush() {
    if (await ask("Drop all queued and delayed messages, and all groups?", [], "Flush", true)) {
      await attempt(post("flush"), "The layer is empty");
    }
  }

  function frame(f) {
    if (!f.status) return;
    list = f.channels || [];
    rules = f.status.chaos || [];
    chaosOff.hidden = !rules.length;
    list.forEach((c) => { c.chaos = ruleOf(rules, c.name); });
    const all = f.all || 0;
    setText(note, `${number(all)} ${all === 1 ? "channel" : "channels"}${filter ? " fit" : ""}` + (all > list.length ? `; the ${list.length} fullest and busiest are shown` : ""));
    setText(legend, `Waiting, oldest, rate and readers are gauges, as of now. Sent, refused and expired are totals ${since(f.status)}, or since a channel was first used.`);
    draw();
    if (chosen) drawDetail(f.waiting || []);
    if (chosen) sliders.draw(rules);
  }

  function draw() {
    if (list) table.draw(list.filter((c) => c.name.includes(filter)));
  }

  function drawDetail(peeked) {
    const c = viewOf(chosen);
    setText(pause, c?.paused ? "Resume" : "Pause");
    pause.className = c?.paused ? "primary" : "";
    pause.title = c?.paused ? "Let all go on (p)" : "Hold what is sent to this channel (p)";
    stepper.disabled = !c?.paused;
    stepper.title = c?.paused ? "Let one message past the breakpoint (s)" : "Pause the channel first: then one message at a time may pass";
    facts.replaceChildren(...(c ? [
      h("span", {}, c.kind), h("span", { title: "Gauges" }, `${number(c.depth)} of ${number(c.capacity)} wait now`), h("span", { title: "A gauge" }, `${number(c.rate)}/s now`),
      h("span", { title: "A total " + since(shell.status) }, `${number(c.sent)} sent in all`), c.refused ? h("span", { class: "bad" }, `${number(c.refused)} refused in all`) : "", c.expired ? h("span", { class: "warn" }, `${number(c.expired)} expired in all`) : "",
      c.paused ? h("span", { class: "warn" }, "paused: nothing expires") : "",
    ] : [h("span", { class: "muted" }, filter ? "not among those that fit" : "not used yet")]));
    waiting.draw(peeked, shell.status.now);
    waiting.tell(c?.depth || 0);
  }

  function key(e) {
    // Keys are for the row that has the focus, else for what is open.
    const name = document.activeElement?.closest(".scroll tr")?.key || chosen;
    if (e.key === "Escape" && chosen) choose("");
    else if (e.key === "p" && name) turn(name);
    else if (e.key === "s" && viewOf(name)?.paused) step(name);
    else return table.key(e);
    return true;
  }

  return { node, frame, key, started() { if (chosen) choose(chosen); else if (filter) watch(); } };
}
