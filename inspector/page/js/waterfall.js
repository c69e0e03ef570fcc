// A chain over time: from the socket, through queues and handlers, to the
// reply.
import { h, chip, took } from "./dom.js";

// outcomeOf says in a word what has become of a message.
export function outcomeOf(m) {
  if (m.kind === "sent") return m.channel.includes("!") ? "delivered" : "waits";
  return m.kind;
}

// waterfall draws a chain, whose selected message is marked; open is called
// with the message of a row.
export function waterfall(chain, selected, open) {
  const list = chain.messages;
  const start = Math.min(...list.map((m) => m.sent));
  const end = Math.max(start + 0.001, ...list.map((m) => Math.max(m.ended || m.sent, m.began ? m.began + (m.handledMs || 0) : 0)),
    chain.visit?.kind === "HTTP" ? start + chain.visit.durationMs : 0);
  const percent = (t) => Math.max(0, Math.min(100, ((t - start) / (end - start)) * 100));
  const bar = (from, to, kind, title) => {
    const b = h("span", { class: "wbar " + kind, title });
    b.style.left = `min(${percent(from)}%, 100% - 3px)`;
    b.style.width = Math.max(percent(to) - percent(from), 0) + "%";
    return b;
  };
  return h("div", { class: "waterfall" },
    axis(end - start), socketRow(chain, start, bar),
    folded(list, selected).flatMap((part) => {
      const rows = () => part.messages.map((m) => messageRow(m, start, end, bar, handled(list, list.indexOf(m)), m.id === selected.id, open));
      return part.fold ? fold(part.messages, rows) : rows();
    }),
    list.length >= 300 ? h("p", { class: "muted" }, "The chain may be longer: its first messages are shown.") : "",
    h("p", { class: "muted legend" },
      h("span", {}, h("i", { class: "wbar taken" }), "waits in its queue"), h("span", {}, h("i", { class: "wbar work" }), "is handled"),
      h("span", {}, h("i", { class: "wbar sent" }), "is delivered"), h("span", {}, h("i", { class: "wbar visit" }), "as its client saw it")));
}

const copies = 4; // of one send to a group that are shown

// folded divides a chain: of many copies to one group all but a few, and the
// selected one, are folded up.
function folded(list, selected) {
  const parts = [];
  for (let at = 0; at < list.length;) {
    let end = at + 1;
    const same = (m) => m.group && ["group", "kind", "place", "generation"].every((k) => m[k] === list[at][k]);
    while (end < list.length && same(list[end])) end++;
    const from = end - at > copies + 1 ? at + copies : end;
    const rest = list.slice(from, end), open = rest.filter((m) => m.id === selected.id);
    parts.push({ messages: list.slice(at, from) });
    if (rest.length) parts.push({ messages: rest.filter((m) => m.id !== selected.id), fold: true }, { messages: open });
    at = end;
  }
  return parts;
}

function fold(messages, rows) {
  const more = h("button", { class: "small fold", onclick: () => more.replaceWith(...rows()) },
    `${messages.length} more copies to the group ${messages[0].group}, ${outcomeOf(messages[0])}`);
  return more;
}

function axis(span) {
  return h("div", { class: "waxis", "aria-hidden": "true" }, h("span", {}), h("span", { class: "ticks" },
    [0, 0.5, 1].map((part) => h("span", {}, part ? took(span * part) : "0"))), h("span", {}));
}

// socketRow is the protocol server's own view of what began the chain.
function socketRow(chain, start, bar) {
  const v = chain.visit;
  if (!v && !chain.path) return "";
  const replies = chain.messages.filter((m) => m.channel === chain.reply && m.kind === "sent").map((m) => m.sent);
  const track = h("span", { class: "track" });
  let words = chain.path, time = "";
  if (v?.kind === "HTTP") {
    words = `${v.method} ${v.path} → ${v.status || "its client left"}`;
    time = took(v.durationMs);
    track.append(bar(start, start + v.durationMs, "visit", `${v.status} after ${time}`));
  } else if (replies.length) track.append(bar(start, Math.max(...replies), "visit", "until its last reply was delivered"));
  return h("div", { class: "wrow" }, h("span", { class: "wname" }, h("b", {}, "socket"), h("span", { class: "muted" }, words)), track, h("span", { class: "wtime" }, time));
}

function messageRow(m, start, end, bar, worked, selected, open) {
  const waited = took(m.waitedMs || 0);
  const waits = outcomeOf(m) === "waits";
  const track = h("span", { class: "track" }, waits ? bar(m.sent, end, "taken waiting", "still waits")
    : bar(m.sent, m.ended || m.sent, m.kind, m.ended ? `${outcomeOf(m)} after ${waited}` : outcomeOf(m)));
  if (m.began) track.append(bar(m.began, m.began + (m.handledMs || 0), "work", `worker ${m.worker} handled it for ${took(m.handledMs || 0)}: ${m.handler || "nobody was responsible"}`));
  else if (worked) track.append(bar(m.ended, worked, "work", `handled for ${took(worked - m.ended)} until its last send`));
  const bad = m.kind === "refused" || m.kind === "dropped" || m.kind === "expired";
  return h("div", {
    class: "wrow row" + (selected ? " selected" : ""), tabIndex: 0, role: "button", "aria-current": selected ? "true" : undefined,
    onclick: () => open(m), onkeydown: (e) => { if (e.key === "Enter") open(m); },
  },
  h("span", { class: "wname" }, chip(m.channel),
    m.place && h("span", { class: "muted" }, "sent from ", h("code", {}, m.place)),
    m.handler && h("span", { class: "muted" }, "handled by ", h("code", {}, m.handler)),
    bad && h("span", { class: "bad" }, m.kind + (m.reason ? ": " + m.reason : ""))),
  track,
  h("span", { class: "wtime" }, "+" + took(m.sent - start), m.ended ? h("small", {}, "waited " + waited) : h("small", {}, outcomeOf(m))));
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
