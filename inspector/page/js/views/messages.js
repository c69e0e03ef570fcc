// The live tail, one message in full, and the chain that it belongs to.
import { h, keep, setText, clock, took, bytes, short, toast, ask } from "../dom.js";
import { attempt, get, post } from "../api.js";
import { messageNode, copyButtons, valueNode } from "../payload.js";

const shown = 400;

export function messages(shell, params) {
  let rows = [];
  let held = false;
  let missed = 0;
  let selected = null;
  let filter = params.filter || "";

  const input = h("input", {
    type: "search", value: filter, placeholder: "channel:websocket.*  path:/chat/*  kind:refused  text:hello  -channel:http.*", "aria-label": "Filter",
    oninput: () => later(apply), onkeydown: (e) => { if (e.key === "Enter") apply(); },
  });
  const hold = h("button", { onclick: () => toggle(), title: "Space" }, "Hold");
  const note = h("span", { class: "muted" });
  const body = h("tbody");
  const table = h("table", { class: "list messages" },
    h("thead", {}, h("tr", {}, ["Time", "Channel", "What", "Size", "Waited", "Outcome"].map((t) => h("th", {}, t)))), body);
  const detail = h("aside", { class: "detail", hidden: true, "aria-label": "Message" });
  const node = h("div", { class: "split" },
    h("div", { class: "tools" }, input, hold,
      h("button", { onclick: clear, title: "Forget what the inspector remembers" }, "Clear"),
      h("button", { onclick: () => compose(shell) }, "Send…"), note),
    h("div", { class: "scroll" }, table), detail);

  let timer;
  function later(f) { clearTimeout(timer); timer = setTimeout(f, 300); }

  function apply() {
    clearTimeout(timer);
    if (input.value === filter) return;
    filter = input.value;
    history.replaceState(null, "", "#/messages" + (filter ? "?" + new URLSearchParams({ filter }) : ""));
    watch();
  }

  // watch follows the filter, once the server has found it good.
  async function watch() {
    try {
      await get("messages", { filter, limit: 1 });
      input.setCustomValidity("");
      input.classList.remove("wrong");
      setText(note, "");
      shell.watch({ filter });
    } catch (error) {
      input.classList.add("wrong");
      setText(note, error.message);
    }
  }

  async function clear() {
    await attempt(post("forget"));
    rows = [];
    draw();
  }

  function toggle() {
    held = !held;
    missed = 0;
    hold.textContent = held ? "Go on" : "Hold";
    hold.classList.toggle("primary", held);
    if (!held) watch();
    else setText(note, "held");
  }

  function frame(f, first) {
    if (held) {
      missed += f.messages?.length || 0;
      return setText(note, `held · ${missed} more`);
    }
    if (first) rows = [];
    if (f.messages?.length || first) {
      const known = new Map(rows.map((m, i) => [m.id, i]));
      for (const m of f.messages || []) {
        if (known.has(m.id)) rows[known.get(m.id)] = m;
        else rows.push(m);
      }
      rows = rows.slice(-shown);
      draw();
    }
    const share = shell.status.share ?? 1;
    setText(note, share < 0.999 ? `busy: ${(share * 100).toFixed(share < 0.1 ? 1 : 0)} % of the traces are shown` : `${rows.length} shown`);
  }

  function draw() {
    keep(body, rows.slice().reverse(), (m) => m.id, row, drawRow);
    if (!rows.length) body.replaceChildren(h("tr", {}, h("td", { colSpan: 6, class: "muted empty" }, filter ? "Nothing fits the filter yet." : "No messages yet. Open the application, or try Play.")));
  }

  function row(m) {
    const line = h("tr", { tabIndex: 0, onclick: () => open(m.id), onkeydown: (e) => { if (e.key === "Enter") open(m.id); } },
      ["time", "channel", "what", "size", "waited", "outcome"].map((c) => h("td", { class: c })));
    line.dataset.id = m.id;
    return line;
  }

  function drawRow(line, m) {
    const [time, channel, what, size, waited, outcome] = line.children;
    setText(time, clock(m.sent));
    channel.replaceChildren(h("span", { class: "chip " + family(m.channel), title: m.channel }, short(m.channel)), m.group ? h("span", { class: "tag" }, "group " + m.group) : "");
    setText(what, m.preview);
    setText(size, bytes(m.bytes));
    setText(waited, m.ended ? took(m.waitedMs || 0) : "");
    outcome.replaceChildren(h("span", { class: "kind " + m.kind, title: m.reason || "" }, outcomeOf(m)));
    line.classList.toggle("selected", m.id === selected);
  }

  async function open(id) {
    selected = id;
    for (const line of body.children) line.classList.toggle("selected", line.dataset.id === String(id));
    const m = await attempt(get("message", { id }));
    if (!m) return;
    const chain = m.trace === "0000000000000000" ? { messages: [m] } : (await attempt(get("trace", { id: m.trace }))) || { messages: [m] };
    detail.hidden = false;
    detail.replaceChildren(...detailOf(m, chain, shell, open, close));
  }

  function close() {
    selected = null;
    detail.hidden = true;
    for (const line of body.children) line.classList.remove("selected");
  }

  function key(e) {
    if (e.key === " " && !e.target.closest("button")) { toggle(); return true; }
    if (e.key === "Escape" && !detail.hidden) { close(); return true; }
    const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[e.key];
    if (!step || !body.children.length) return false;
    const lines = [...body.children];
    const at = lines.findIndex((l) => l.dataset.id === String(selected));
    const line = lines[Math.min(Math.max(at + step, 0), lines.length - 1)];
    if (!line.dataset.id) return false;
    line.scrollIntoView({ block: "nearest" });
    open(Number(line.dataset.id));
    return true;
  }

  return {
    node, frame, key,
    started() {
      watch();
      if (params.id) open(Number(params.id));
      if (params.trace) get("trace", { id: params.trace }).then((c) => open(c.messages[0].id)).catch((e) => toast(e.message, true));
    },
  };
}

export function family(channel) {
  if (channel.includes("!")) return "reply";
  if (channel.startsWith("http.")) return "http";
  if (channel.startsWith("websocket.")) return "ws";
  return "own";
}

function outcomeOf(m) {
  if (m.kind === "sent") return m.channel.includes("!") ? "delivered" : "waits";
  return m.kind;
}

function detailOf(m, chain, shell, open, close) {
  return [
    h("div", { class: "head" }, h("h2", {}, h("span", { class: "chip " + family(m.channel), title: m.channel }, short(m.channel))), h("button", { class: "small", onclick: close, "aria-label": "Close" }, "✕")),
    h("p", { class: "facts" },
      h("span", {}, clock(m.sent)), h("span", {}, bytes(m.bytes)), m.path ? h("span", {}, m.path) : "",
      m.generation ? h("span", {}, "sent by generation " + m.generation) : "", m.place ? h("span", {}, "at ", h("code", {}, m.place)) : "",
      m.handledMs ? h("span", {}, `handled by worker ${m.worker} in ${took(m.handledMs)}`) : "", m.handler ? h("code", {}, m.handler) : "",
      m.taker ? h("span", {}, "taken by generation " + m.taker) : "", m.ended ? h("span", {}, "waited " + took(m.waitedMs || 0)) : "",
      m.reason ? h("span", { class: "bad" }, m.reason) : ""),
    h("div", { class: "actions left" },
      m.trace !== "0000000000000000" ? h("button", { class: "primary", onclick: () => replay(m, shell), title: "Send again what began this chain" }, "Replay") : "",
      h("button", { onclick: () => compose(shell, m.channel, m.message) }, "Edit & send again"),
      copyButtons(m.channel, m.message, shell.app)),
    h("h3", {}, "Content"), messageNode(m.message),
    h("h3", {}, "Chain ", h("code", { class: "muted" }, m.trace)), waterfall(chain, m, open),
  ];
}

async function replay(m) {
  const answer = await attempt(post("replay", { trace: m.trace }));
  if (!answer) return;
  if (answer.status) {
    const dialog = document.querySelector("#dialog");
    dialog.oncancel = null;
    dialog.replaceChildren(h("h2", {}, `Replayed: ${answer.status} in ${took(answer.durationMs)}`),
      h("h3", {}, "Headers"), valueNode(answer.headers, "headers"),
      h("h3", {}, `Body, ${bytes(answer.bytes)}`), h("pre", { class: "body" }, answer.body),
      h("div", { class: "actions" }, h("button", { class: "primary", onclick: () => dialog.close() }, "Close")));
    dialog.showModal();
  } else toast("Sent again to " + answer.channel);
}

export async function compose(shell, channel = "", message = {}) {
  const values = await ask("Send a message", [
    { name: "channel", label: "Channel", value: channel, placeholder: "jobs" },
    { name: "message", label: "Message, as JSON (a text that begins with U+FFFF is a byte string in base64)", value: JSON.stringify(message, null, 2), rows: 14 },
  ], "Send");
  if (!values) return;
  let body;
  try {
    JSON.parse(values.message);
    // Written into the body as it is, so that 1.0 stays a float.
    body = `{"channel": ${JSON.stringify(values.channel)}, "message": ${values.message}}`;
  } catch (error) {
    return toast("The message is not JSON: " + error.message, true);
  }
  await attempt(post("send", body), "Sent to " + short(values.channel));
}

// waterfall draws a chain over time: from the socket, through queues and
// handlers, to the reply.
function waterfall(chain, selected, open) {
  const list = chain.messages;
  const start = Math.min(...list.map((m) => m.sent));
  let end = Math.max(...list.map((m) => m.ended || m.sent), start + 0.001);
  end = Math.max(end, ...list.map((m) => (m.began ? m.began + m.handledMs : 0)));
  if (chain.visit && chain.visit.kind === "HTTP") end = Math.max(end, start + chain.visit.durationMs);
  const span = end - start;
  const percent = (t) => Math.max(0, Math.min(100, ((t - start) / span) * 100));
  const bar = (from, to, kind, title) => {
    const b = h("span", { class: "wbar " + kind, title });
    b.style.left = percent(from) + "%";
    b.style.width = Math.max(percent(to) - percent(from), 0.8) + "%";
    return b;
  };
  const rows = list.map((m, i) => {
    const track = h("span", { class: "track" }, bar(m.sent, m.ended || m.sent, m.kind, `${outcomeOf(m)} after ${took(m.waitedMs || 0)}`));
    if (m.began) track.append(bar(m.began, m.began + m.handledMs, "work", `worker ${m.worker} handled it for ${took(m.handledMs)}: ${m.handler || "nobody was responsible"}`));
    else {
      const work = handled(list, i);
      if (work) track.append(bar(m.ended, work, "work", `handled for ${took(work - m.ended)} until its last send`));
    }
    return h("div", { class: "wrow" + (m.id === selected.id ? " selected" : ""), tabIndex: 0, onclick: () => open(m.id), onkeydown: (e) => { if (e.key === "Enter") open(m.id); } },
      h("span", { class: "wname" }, h("span", { class: "chip " + family(m.channel), title: m.channel }, short(m.channel)), m.place ? h("code", {}, m.place) : m.handler ? h("code", {}, m.handler) : "", m.reason ? h("span", { class: "bad" }, m.reason) : ""),
      track, h("span", { class: "wtime" }, "+" + took(m.sent - start)));
  });
  if (chain.visit) { // the protocol server's own view of it
    const v = chain.visit;
    const track = h("span", { class: "track" });
    if (v.kind === "HTTP") track.append(bar(start, start + v.durationMs, "visit", `${v.status} after ${took(v.durationMs)}`));
    rows.unshift(h("div", { class: "wrow" }, h("span", { class: "wname" }, h("b", {}, "socket"), h("span", { class: "muted" }, v.kind === "HTTP" ? `${v.method} ${v.path} → ${v.status || "client left"}` : `${v.kind} ${v.path}`)),
      track, h("span", { class: "wtime" }, took(v.durationMs))));
  }
  return h("div", { class: "waterfall" }, rows, h("p", { class: "muted legend" },
    h("i", { class: "wbar taken" }), " waits in its queue ", h("i", { class: "wbar work" }), " is handled ", h("i", { class: "wbar visit" }), " the request as its client saw it"));
}

// handled answers when the handler of a message last sent something, as far as
// the chain shows: the next messages that its generation sent.
function handled(list, i) {
  const m = list[i];
  if (m.kind !== "taken" || !m.ended) return 0;
  let last = 0;
  for (let j = i + 1; j < list.length; j++) {
    if (list[j].generation && list[j].sent >= m.ended) last = list[j].sent;
    else if (!list[j].generation) break;
  }
  return last;
}
