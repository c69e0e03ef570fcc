// Open sockets, and recently closed ones with the reason.
import { h, updateChildren, setText, duration, bytes, number, clock, chip, toast } from "../dom.js";
import { getExact, post, attempt } from "../api.js";
import { messageNode } from "../payload.js";
import { encode, kindSelect, byteString } from "../bytes.js";
import { compose } from "../compose.js";

const columns = [["Path"], ["Client", "less"], ["Age"], ["Groups"], ["In"], ["Out"], ["Mailbox"]];
const closedColumns = [["When"], ["Path"], ["Client", "less"], ["Duration"], ["Code"], ["Why", "why"]];
const maxFrames = 100;
const maxReason = 123; // bytes

export function connections(shell, params) {
  let watched = params.name || "";
  let search = "";
  let open = [], closed = [], known = false; // whether a frame has come
  const input = h("input", { type: "search", placeholder: "Path, client, group or protocol", "aria-label": "Filter the sockets", oninput: () => { search = input.value.toLowerCase(); draw(); } });
  const body = h("tbody"), past = h("tbody"), note = h("span", { class: "muted" });
  const none = h("p", { class: "muted empty" }), nonePast = h("p", { class: "muted empty" });
  const detail = h("aside", { class: "detail", hidden: true, "aria-label": "Connection", tabIndex: -1 });
  const head = (list) => h("thead", {}, h("tr", {}, list.map(([t, c]) => h("th", { class: c }, t))));
  const node = h("div", { class: "split" },
    h("div", { class: "tools" }, input, note),
    h("div", { class: "scroll" },
      h("h2", {}, "Open"), h("table", { class: "list cards sockets-open" }, head(columns), body), none,
      h("h2", {}, "Recently closed"), h("table", { class: "list cards" }, head(closedColumns), past), nonePast),
    detail);
  let close = null; // form of the open socket

  function watch(channel, focus) {
    const within = detail.contains(document.activeElement);
    const before = watched;
    watched = channel;
    detail.hidden = !channel;
    close = channel ? watcher(channel, shell, () => watch("")) : null;
    detail.replaceChildren(...(close ? close.nodes : []));
    for (const line of body.children) line.classList.toggle("selected", line.dataset.channel === channel);
    if (!channel && within) [...body.children].find((l) => l.dataset.channel === before)?.focus();
    if (channel && focus) detail.scrollIntoView({ block: "nearest" });
    shell.watch(channel ? { name: channel, filter: "reply:" + channel } : {});
    draw();
  }

  function frame(f, first) {
    if (f.status) {
      known = true;
      open = f.connections || [];
      closed = f.closed || [];
      const all = f.all || 0;
      setText(note, `${number(all)} open (gauge)${open.length < all ? `, showing the oldest ${number(open.length)}` : ""}. Frames and bytes are totals since a socket was opened.`);
      draw();
    }
    if (close && (f.messages || first)) close.frames(f.messages || [], first);
  }

  function draw() {
    const list = open.filter((c) => !search || [c.path, c.client, c.protocol, ...c.groups].some((t) => t?.toLowerCase().includes(search)));
    updateChildren(body, list, (c) => c.channel, row, drawRow);
    const now = shell.status.now || Date.now();
    for (const c of list) setText(body.entries.get(c.channel).node.children[2], duration(Math.max(0, now - c.opened)));
    none.hidden = !known || list.length > 0;
    setText(none, open.length ? "No open socket matches the filter." : "No WebSocket is open. You can open some in Play.");
    updateChildren(past, closed.filter((v) => !search || [v.path, v.client].some((t) => t?.toLowerCase().includes(search))), (v) => v.at + v.client + v.path, pastRow);
    nonePast.hidden = !known || closed.length > 0;
    setText(nonePast, "None since the server started.");
    close?.state(open.find((c) => c.channel === watched), closed.find((v) => v.channel === watched), known);
  }

  function row(c) {
    const line = h("tr", { tabIndex: 0, onclick: () => watch(c.channel, true), onkeydown: (e) => { if (e.key === "Enter" && e.target === line) watch(c.channel, true); } },
      columns.map(([t, less]) => h("td", { class: less, "data-label": t })));
    line.dataset.channel = c.channel;
    line.classList.toggle("selected", c.channel === watched);
    line.children[6].append(h("span"), h("span", { class: "mini", hidden: true }, h("i")));
    return line;
  }

  function drawRow(line, c) {
    const [path, client, , groups, into, out, mailbox] = line.children;
    path.replaceChildren(h("span", { class: "path", title: c.path }, c.path), c.waiting ? h("span", { class: "tag warn" }, "waits for a reply") : "", c.protocol ? h("span", { class: "tag" }, c.protocol) : "");
    setText(client, c.client || "–");
    groups.replaceChildren(h("span", { class: "tags" }, c.groups.slice(0, 3).map((g) => h("a", { class: "tag", title: g, href: "#/groups?" + new URLSearchParams({ name: g }), onclick: (e) => e.stopPropagation() }, g)),
      c.groups.length > 3 ? h("span", { class: "tag", title: c.groups.slice(3).join("\n") }, `+${c.groups.length - 3}`) : c.groups.length ? "" : "–"));
    setText(into, `${number(c.framesIn)} · ${bytes(c.bytesIn)}`);
    setText(out, `${number(c.framesOut)} · ${bytes(c.bytesOut)}`);
    drawMailbox(mailbox, c);
  }

  return {
    node, frame,
    started() { watch(watched); },
    key(e) { if (e.key === "Escape" && watched) { watch(""); return true; } return false; },
  };
}

// drawMailbox shows how many messages wait to be written, and how full the
// mailbox is.
function drawMailbox(cell, c) {
  const [text, bar] = cell.children;
  const part = Math.max(c.mailbox / c.mailboxRoom, c.mailboxBytes / c.bytesRoom);
  setText(text, c.mailbox ? `${number(c.mailbox)} · ${bytes(c.mailboxBytes)}` : "empty");
  text.className = c.mailbox ? "" : "muted";
  cell.title = `${number(c.mailbox)} of ${number(c.mailboxRoom)} messages and ${bytes(c.mailboxBytes)} of ${bytes(c.bytesRoom)} waiting to be written (gauges)`;
  bar.hidden = !c.mailbox;
  bar.firstChild.style.width = Math.min(100, Math.max(4, part * 100)) + "%";
  bar.classList.toggle("full", part > 0.8);
}

function pastRow(v) {
  const refused = v.kind === "WSREJECT";
  const cells = [clock(v.at), h("span", { class: "path", title: v.path }, v.path), v.client || "–", duration(v.durationMs), refused ? "HTTP " + v.status : v.status, refused ? "the handshake was refused" : v.why];
  return h("tr", {}, cells.map((c, i) => h("td", { class: closedColumns[i][1], "data-label": closedColumns[i][0] }, typeof c === "number" ? String(c) : c)));
}

// watcher is one socket seen closely: its frames, and what can be sent to it.
function watcher(channel, shell, leave) {
  let frames = [];
  const facts = h("p", { class: "facts" });
  const tail = h("div", { class: "tail" });
  const sender = sendForm(channel, shell), closer = closeForm(channel);
  const acts = h("div", {}, sender, closer);

  function show(list, first) {
    if (first) frames = [];
    const known = new Map(frames.map((m, i) => [m.id, i]));
    for (const m of list) known.has(m.id) ? (frames[known.get(m.id)] = m) : frames.push(m);
    frames = frames.slice(-maxFrames);
    updateChildren(tail, frames.slice().reverse(), (m) => m.id, (m) => frameRow(m, channel));
    if (!frames.length) tail.replaceChildren(h("p", { class: "muted empty" }, "No frames in the history. New frames appear here."));
  }

  function state(c, gone, known) {
    acts.hidden = !c;
    if (c) {
      facts.replaceChildren(h("span", {}, c.path), h("span", {}, c.client || "no client address"), c.protocol ? h("span", {}, c.protocol) : "", h("span", {}, "opened at " + clock(c.opened)));
    } else if (gone) facts.replaceChildren(h("span", {}, gone.path), h("b", { class: "warn" }, `Closed at ${clock(gone.at)} with ${gone.status}: ${gone.why || "the handshake was refused"}`));
    else if (known) facts.replaceChildren(h("b", { class: "warn" }, "This socket is not open, or no longer open."));
  }

  return {
    frames: show, state,
    nodes: [
      h("div", { class: "head" }, h("h2", {}, chip(channel, channel)), h("button", { class: "small", onclick: leave, "aria-label": "Close", title: "Esc" }, "✕")),
      facts, acts,
      h("h3", {}, "Frames, the newest first ", h("a", { href: "#/messages?" + new URLSearchParams({ filter: "reply:" + channel }) }, "in Messages")), tail,
    ],
  };
}

// frameRow returns a row for a frame. Opened, it shows the whole message.
export function frameRow(m, channel) {
  const out = m.channel === channel;
  const what = out ? "to the client" : { "websocket.receive": "from the client", "websocket.connect": "handshake", "websocket.disconnect": "end" }[m.channel] || m.channel;
  const full = h("div", { class: "full" });
  return h("details", {
    class: "frame " + (out ? "out" : "in"), ontoggle: async (e) => {
      if (!e.target.open || full.firstChild) return;
      try {
        full.append(messageNode((await getExact("message", { id: m.id })).message));
      } catch (error) {
        full.append(h("p", { class: "bad" }, error.message));
      }
      full.append(h("p", {}, h("a", { href: "#/messages?" + new URLSearchParams({ id: m.id, filter: "trace:" + m.trace }) }, "Show its chain")));
    },
  },
  h("summary", { title: `${what}; the whole message has ${bytes(m.bytes)}` }, h("span", { class: "time" }, clock(m.sent)), h("span", { class: "arrow" }, out ? "out" : "in"),
    h("span", { class: "what" }, m.preview), h("span", { class: "muted size" }, m.data ? `${m.data}, ${bytes(m.bytes)}` : what)), full);
}

function sendForm(channel, shell) {
  const kind = kindSelect("Encoding of the frame"), text = h("textarea", { rows: 2, name: "frame", placeholder: "Frame to the client; Ctrl+Enter sends", "aria-label": "Frame", spellcheck: false, onkeydown: (e) => { if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) form.requestSubmit(); } });
  const wrong = h("p", { class: "bad wrong", role: "alert" });
  const form = h("form", {
    class: "sender", onsubmit: async (e) => {
      e.preventDefault();
      setText(wrong, "");
      try {
        const message = kind.value === "text" ? { text: text.value } : { bytes: byteString(encode(kind.value, text.value)) };
        await post("send", { channel, message });
        toast("Sent");
        text.select();
      } catch (error) {
        setText(wrong, error.message);
      }
    },
  },
  text, h("div", { class: "actions left" }, kind, h("button", { class: "primary" }, "Send"),
    h("button", { type: "button", onclick: () => compose(shell, channel, { text: text.value }) }, "Send a message…")), wrong);
  return form;
}

// badCode returns why a close code cannot be sent, or "".
export function badCode(text) {
  const code = Number(text);
  if (!/^\d+$/.test(text.trim()) || code < 1000 || code > 4999) return "A close code is a number from 1000 to 4999.";
  if ([1005, 1006, 1015].includes(code)) return `${code} is never sent: it reports the end of a connection without a code.`;
  if (code === 1004 || code > 1014 && code < 3000) return `${code} is reserved. Use 1000 to 1003, 1007 to 1014, or 3000 to 4999.`;
  return "";
}

function closeForm(channel) {
  const code = h("input", { name: "code", value: "1000", "aria-label": "Close code", inputMode: "numeric", oninput: check });
  const reason = h("input", { name: "reason", placeholder: "Reason (optional)", "aria-label": "Reason", oninput: check });
  const wrong = h("p", { class: "bad wrong", role: "alert" });
  const button = h("button", { class: "danger" }, "Close socket");

  function check() {
    const long = new TextEncoder().encode(reason.value).length;
    const problem = badCode(code.value) || (long > maxReason ? `A reason has at most ${maxReason} bytes; this has ${long}.` : "");
    setText(wrong, problem);
    button.disabled = !!problem;
    code.classList.toggle("wrong", !!badCode(code.value));
    return !problem;
  }

  return h("form", {
    class: "closer", onsubmit: (e) => {
      e.preventDefault();
      if (check()) attempt(post("connections/close", { channel, code: Number(code.value), reason: reason.value }), "Closing after the waiting messages");
    },
  }, h("div", { class: "line" }, code, reason, button), wrong);
}
