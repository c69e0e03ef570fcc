// Every channel: what waits, how fast, who listens. Looking takes nothing.
import { h, keep, setText, number, took, clock, ask, toast, short } from "../dom.js";
import { attempt, post } from "../api.js";
import { allOff, chaosSliders, editRules, ruleOf } from "../chaos.js";
import { messageNode } from "../payload.js";
import { compose, family } from "./messages.js";

const columns = [
  ["Channel"], ["Waiting", "A gauge, and the capacity"], ["Oldest", "How long the first has waited"], ["Rate", "Messages a second, a gauge"],
  ["Sent", "Total since the store was opened", "less"], ["Refused", "Total: it was full", "less"], ["Expired", "Total: nobody took it in time", "less"], ["Readers", "Who waits on it now", "less"],
];

export function channels(shell, params) {
  let chosen = params.name || "";
  let filter = "";
  let list = [];
  let rules = []; // of chaos
  let sliders = null; // of the channel that is chosen
  const body = h("tbody"), note = h("span", { class: "muted" });
  const detail = h("aside", { class: "detail", hidden: true });
  const waiting = h("div", { class: "waiting" });
  const facts = h("p", { class: "facts" });
  const pause = h("button", { onclick: () => act(chosenView()?.paused ? "resume" : "pause") }, "Pause");
  const chaosOff = h("button", { class: "chaotic", hidden: true, onclick: allOff }, "Turn all chaos off");
  const node = h("div", { class: "split" },
    h("div", { class: "tools" },
      h("input", { type: "search", placeholder: "Name", "aria-label": "Filter by name", oninput: (e) => { filter = e.target.value; draw(); } }),
      h("button", { onclick: breakpoint }, "Pause a channel…"),
      h("button", { onclick: () => compose(shell) }, "Send…"),
      h("button", { onclick: editRules, title: "Lose, delay and reorder messages on purpose" }, "Chaos…"),
      chaosOff,
      h("button", { class: "danger", onclick: flush }, "Flush all…"), note),
    h("div", { class: "scroll" }, h("table", { class: "list" }, h("thead", {}, h("tr", {},
      columns.map(([t, title, less]) => h("th", { title: title || "", class: less }, t)))), body)),
    detail);

  const chosenView = () => list.find((c) => c.name === chosen);

  async function breakpoint() {
    const v = await ask("Pause a channel", [{ name: "channel", label: "Its name; it need not have been used yet", value: "http.request" }], "Pause");
    if (v && await attempt(post("channel/pause", { channel: v.channel }), "Paused: what is sent to it waits, and does not expire")) choose(v.channel);
  }

  function choose(name) {
    chosen = name;
    detail.hidden = !name;
    waiting.kept = null;
    waiting.replaceChildren();
    if (name) {
      sliders = chaosSliders(name);
      sliders.draw(rules);
      detail.replaceChildren(
        h("div", { class: "head" }, h("h2", {}, h("span", { class: "chip " + family(name), title: name }, short(name))), h("button", { class: "small", onclick: () => choose(""), "aria-label": "Close" }, "✕")),
        facts,
        h("div", { class: "actions left" }, pause,
          h("button", { onclick: () => act("step", (a) => (a.stepped ? "One message passed" : "Nothing waits")), title: "Let one message past the breakpoint" }, "Step"),
          h("button", { onclick: () => compose(shell, name, {}) }, "Send…"),
          h("button", { class: "danger", onclick: drain }, "Drain…"),
          h("a", { href: "#/messages?" + new URLSearchParams({ filter: "channel:" + name + (name.endsWith("!") ? "*" : "") }) }, "In Messages")),
        sliders.node,
        h("h3", {}, "What waits, the next first"), waiting);
    }
    shell.watch(name ? { name } : {});
  }

  async function act(what, said) { await attempt(post("channel/" + what, { channel: chosen }), said); }

  async function drain() {
    if (await ask(`Drop all that waits on ${short(chosen)}?`, [], "Drain", true)) await act("drain", (a) => `${a.dropped} dropped`);
  }

  async function flush() {
    if (await ask("Drop all queued and delayed messages, and all groups?", [], "Flush", true)) {
      await attempt(post("flush"), "The layer is empty");
    }
  }

  async function edit(m) {
    const v = await ask("Edit the message that waits", [{ name: "message", label: "Message, as JSON", value: JSON.stringify(m.message, null, 2), rows: 14 }], "Put it in place");
    if (!v) return;
    try {
      JSON.parse(v.message);
    } catch (error) {
      return toast("The message is not JSON: " + error.message, true);
    }
    await attempt(post("channel/edit", `{"channel": ${JSON.stringify(m.channel)}, "id": ${m.id}, "message": ${v.message}}`), "Edited");
  }

  function frame(f) {
    if (!f.status) return;
    list = f.channels || [];
    rules = f.status.chaos || [];
    chaosOff.hidden = !rules.length;
    list.forEach((c) => { c.chaos = ruleOf(rules, c.name); });
    setText(note, `${number(f.all || 0)} channels` + ((f.all || 0) > list.length ? `, the ${list.length} fullest and busiest are shown` : ""));
    draw();
    if (chosen) drawDetail(f.waiting || []);
    if (chosen) sliders.draw(rules);
  }

  function draw() {
    const some = list.filter((c) => c.name.includes(filter));
    keep(body, some, (c) => c.name, (c) => h("tr", { tabIndex: 0, onclick: () => choose(c.name), onkeydown: (e) => { if (e.key === "Enter") choose(c.name); } }, columns.map(([, , less]) => h("td", { class: less }))), drawRow);
    if (!some.length) body.replaceChildren(h("tr", {}, h("td", { colSpan: 8, class: "muted empty" }, "No channel here.")));
  }

  function drawRow(line, c) {
    const [name, depth, oldest, rate, sent, refused, expired, readers] = line.children;
    name.replaceChildren(h("span", { class: "chip " + family(c.name), title: c.name }, short(c.name)), c.paused ? h("span", { class: "tag warn" }, "paused") : "", c.chaos ? h("span", { class: "tag warn", title: c.chaos }, "chaos") : "");
    const fill = h("i", {});
    fill.style.width = Math.min(100, (100 * c.depth) / c.capacity) + "%";
    depth.replaceChildren(h("span", { class: "mini" }, fill), ` ${number(c.depth)} / ${number(c.capacity)}`);
    setText(oldest, c.oldestMs ? took(c.oldestMs) : "–");
    setText(rate, number(c.rate) + "/s");
    setText(sent, number(c.sent));
    setText(refused, number(c.refused));
    setText(expired, number(c.expired));
    setText(readers, c.bound ? "pushed to its owner" : c.readers ? c.readers + " wait" : "none now");
    line.classList.toggle("selected", c.name === chosen);
  }

  function drawDetail(peeked) {
    const c = chosenView();
    pause.textContent = c?.paused ? "Resume" : "Pause";
    pause.className = c?.paused ? "primary" : "";
    facts.replaceChildren(...(c ? [h("span", {}, c.kind), h("span", {}, `${number(c.depth)} of ${number(c.capacity)} wait`), h("span", {}, `${number(c.rate)}/s now`), h("span", {}, `${number(c.sent)} in all`), c.paused ? h("span", { class: "warn" }, "paused: nothing expires") : ""] : [h("span", { class: "muted" }, "not used yet")]));
    keep(waiting, peeked.map(({ message, ...rest }) => ({ ...rest, text: JSON.stringify(message) })), (m) => m.id, (m) => h("details", { class: "waits" },
      h("summary", {}, h("code", {}, "#" + m.id), " ", h("span", { class: "what" }), h("span", { class: "muted" }, ` ${m.sent ? clock(m.sent) : "due " + clock(m.deadline)} · ${m.durable ? "durable" : "volatile"}`)),
      h("div", { class: "inside" })), (node, m) => {
      setText(node.querySelector(".what"), m.preview);
      const message = JSON.parse(m.text);
      node.querySelector(".inside").replaceChildren(
        h("div", { class: "actions left" }, h("button", { class: "small", onclick: () => edit({ ...m, message }) }, "Edit…"),
          h("button", { class: "small danger", onclick: () => attempt(post("channel/drop", { channel: m.channel, id: m.id }), "Dropped") }, "Drop")),
        messageNode(message));
    });
    if (!peeked.length) waiting.replaceChildren(h("p", { class: "muted empty" }, "Nothing waits."));
  }

  return { node, frame, started() { choose(chosen); }, key(e) { if (e.key === "Escape" && chosen) { choose(""); return true; } return false; } };
}
