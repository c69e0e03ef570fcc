// Open sockets, and why the closed ones closed.
import { h, keep, setText, took, bytes, number, clock, ask, toast, short } from "../dom.js";
import { attempt, post } from "../api.js";
import { compose, family } from "./messages.js";

const columns = [["Path"], ["Client", "less"], ["Age"], ["Groups"], ["In"], ["Out"], ["Mailbox", "less"], ["", "less"]];

export function connections(shell, params) {
  let watched = params.name || "";
  let frames = [];
  const body = h("tbody"), closed = h("tbody"), note = h("p", { class: "muted" });
  const tail = h("div", { class: "tail" });
  const detail = h("aside", { class: "detail", hidden: true });
  const node = h("div", { class: "split" },
    h("div", { class: "scroll" },
      h("h2", {}, "Open"), note,
      h("table", { class: "list" }, h("thead", {}, h("tr", {}, columns.map(([t, less]) => h("th", { class: less }, t)))), body),
      h("h2", {}, "Closed lately"),
      h("table", { class: "list" }, h("thead", {}, h("tr", {}, ["When", "Path", "Client", "Lived", "Code", "Why"].map((t) => h("th", {}, t)))), closed)),
    detail);

  function watch(channel) {
    watched = channel;
    frames = [];
    tail.replaceChildren();
    detail.hidden = !channel;
    if (!channel) return shell.watch({});
    detail.replaceChildren(
      h("div", { class: "head" }, h("h2", {}, "Frames of ", h("code", {}, short(channel))), h("button", { class: "small", onclick: () => watch(""), "aria-label": "Close" }, "✕")),
      h("div", { class: "actions left" },
        h("button", { class: "primary", onclick: () => send(channel) }, "Send text…"),
        h("button", { onclick: () => compose(shell, channel, { text: "" }) }, "Send a message…"),
        h("button", { class: "danger", onclick: () => close(channel) }, "Close…"),
        h("a", { href: "#/messages?" + new URLSearchParams({ filter: "reply:" + channel }) }, "In Messages")),
      tail);
    shell.watch({ name: channel, filter: "reply:" + channel });
  }

  async function send(channel) {
    const v = await ask("Send text to the client", [{ name: "text", label: "Text", rows: 4 }], "Send");
    if (v) await attempt(post("send", { channel, message: { text: v.text } }), "Sent");
  }

  async function close(channel) {
    const v = await ask("Close this WebSocket", [{ name: "code", label: "Code (1000–1003, 1007–1014, 3000–4999)", value: "1000" }, { name: "reason", label: "Reason" }], "Close it", true);
    if (v) await attempt(post("connections/close", { channel, code: Number(v.code) || 1000, reason: v.reason }), "Closing");
  }

  function frame(f, first) {
    if (f.status) {
      const list = f.connections || [];
      setText(note, `${number(f.all || 0)} open now (a gauge). Frames and bytes are totals since each was opened.`);
      keep(body, list, (c) => c.channel, (c) => h("tr", { tabIndex: 0, onclick: () => watch(c.channel), onkeydown: (e) => { if (e.key === "Enter" && e.target.tagName === "TR") watch(c.channel); } }, columns.map(([, less]) => h("td", { class: less }))), drawRow);
      for (const { node, shape } of body.kept.values()) setText(node.children[2], took(Date.now() - JSON.parse(shape).opened));
      if (!list.length) body.replaceChildren(h("tr", {}, h("td", { colSpan: 8, class: "muted empty" }, "No WebSocket is open. Play can open some.")));
      keep(closed, f.closed || [], (v) => v.at + v.client + v.path, (v) => h("tr", {},
        h("td", {}, clock(v.at)), h("td", {}, v.path), h("td", {}, v.client || "–"), h("td", {}, took(v.durationMs)),
        h("td", {}, v.kind === "WSREJECT" ? "HTTP " + v.status : v.status), h("td", { class: "why" }, v.kind === "WSREJECT" ? "the handshake was refused" : v.why)));
      if (!(f.closed || []).length) closed.replaceChildren(h("tr", {}, h("td", { colSpan: 6, class: "muted empty" }, "None has closed yet.")));
    }
    if (watched && (f.messages || first)) drawTail(f.messages || [], first);
  }

  function drawTail(list, first) {
    if (first) frames = [];
    const known = new Map(frames.map((m, i) => [m.id, i]));
    for (const m of list) known.has(m.id) ? (frames[known.get(m.id)] = m) : frames.push(m);
    frames = frames.slice(-200);
    keep(tail, frames.slice().reverse(), (m) => m.id, (m) => {
      const out = m.channel.includes("!");
      return h("a", { class: "frame " + (out ? "out" : "in"), href: "#/messages?" + new URLSearchParams({ id: m.id, filter: "trace:" + m.trace }) },
        h("span", { class: "time" }, clock(m.sent)), h("span", { class: "chip " + family(m.channel) }, out ? "← server" : m.channel), h("span", { class: "what" }, m.preview));
    });
    if (!frames.length) tail.replaceChildren(h("p", { class: "muted empty" }, "Nothing yet."));
  }

  function drawRow(line, c) {
    const [path, client, , groups, into, out, mailbox, acts] = line.children;
    path.replaceChildren(c.path, c.waiting ? h("span", { class: "tag" }, "waits for an answer") : "", c.protocol ? h("span", { class: "tag" }, c.protocol) : "");
    setText(client, c.client || "–");
    groups.replaceChildren(...c.groups.slice(0, 4).map((g) => h("a", { class: "tag", href: "#/groups?" + new URLSearchParams({ name: g }), onclick: (e) => e.stopPropagation() }, g)), c.groups.length > 4 ? `+${c.groups.length - 4}` : "");
    setText(into, `${number(c.framesIn)} · ${bytes(c.bytesIn)}`);
    setText(out, `${number(c.framesOut)} · ${bytes(c.bytesOut)}`);
    setText(mailbox, c.mailbox ? `${number(c.mailbox)} · ${bytes(c.mailboxBytes)}` : "empty");
    if (!acts.firstChild) acts.append(h("button", { class: "small danger", onclick: (e) => { e.stopPropagation(); close(c.channel); } }, "Close…"));
  }

  return { node, frame, started() { watch(watched); }, key(e) { if (e.key === "Escape" && watched) { watch(""); return true; } return false; } };
}
