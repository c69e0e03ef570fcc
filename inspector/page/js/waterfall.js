// A chain of messages over time: from the socket through queues and handlers to
// the reply.
import { h, chip, duration } from "./dom.js";

// outcomeOf describes the state of a message in one word.
export function outcomeOf(m) {
  if (m.kind === "sent") return m.channel.includes("!") ? "delivered" : "waiting";
  return m.kind;
}

// wasTaken reports whether a worker received a message, even if no route matched or
// the handler failed.
export function wasTaken(m) { return ["taken", "no route", "failed"].includes(m.kind); }

// waterfall draws a chain and marks the selected message. It calls open with the
// message of a clicked row.
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
      const rows = () => part.messages.map((m) => messageRow(m, start, end, bar, lastSend(list, list.indexOf(m)), m.id === selected.id, open));
      return part.fold ? fold(part.messages, rows) : rows();
    }),
    list.length >= 300 ? h("p", { class: "muted" }, "Only the first messages of the chain are shown.") : "",
    h("p", { class: "muted legend" },
      h("span", {}, h("i", { class: "wbar taken" }), "in its queue"), h("span", {}, h("i", { class: "wbar work" }), "in its handler"),
      h("span", {}, h("i", { class: "wbar sent" }), "delivered"), h("span", {}, h("i", { class: "wbar visit" }), "request as the client saw it")));
}

const maxCopies = 4; // shown of one send to a group

// folded divides a chain into parts. Of many copies to one group it folds all but
// a few and the selected one.
function folded(list, selected) {
  const parts = [];
  for (let at = 0; at < list.length;) {
    let end = at + 1;
    const same = (m) => m.group && ["group", "kind", "place", "generation"].every((k) => m[k] === list[at][k]);
    while (end < list.length && same(list[end])) end++;
    const from = end - at > maxCopies + 1 ? at + maxCopies : end;
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
    [0, 0.5, 1].map((part) => h("span", {}, part ? duration(span * part) : "0"))), h("span", {}));
}

// socketRow shows the request or socket that started the chain.
function socketRow(chain, start, bar) {
  const v = chain.visit;
  if (!v && !chain.path) return "";
  const replies = chain.messages.filter((m) => m.channel === chain.reply && m.kind === "sent").map((m) => m.sent);
  const track = h("span", { class: "track" });
  let text = chain.path, time = "";
  if (v?.kind === "HTTP") {
    text = `${v.method} ${v.path} → ${v.status || "client left"}`;
    time = duration(v.durationMs);
    track.append(bar(start, start + v.durationMs, "visit", `${v.status} after ${time}`));
  } else if (replies.length) track.append(bar(start, Math.max(...replies), "visit", "until its last reply was delivered"));
  return h("div", { class: "wrow" }, h("span", { class: "wname" }, h("b", {}, "socket"), h("span", { class: "muted" }, text)), track, h("span", { class: "wtime" }, time));
}

function messageRow(m, start, end, bar, worked, selected, open) {
  const waited = duration(m.waitedMs || 0);
  const waits = outcomeOf(m) === "waiting";
  const track = h("span", { class: "track" }, waits ? bar(m.sent, end, "taken waiting", "still waiting")
    : bar(m.sent, m.ended || m.sent, wasTaken(m) ? "taken" : m.kind, m.ended ? `${outcomeOf(m)} after ${waited}` : outcomeOf(m)));
  if (m.began) track.append(bar(m.began, m.began + (m.handledMs || 0), "work", `worker ${m.worker} handled it for ${duration(m.handledMs || 0)}: ${m.handler || "no handler"}`));
  else if (worked) track.append(bar(m.ended, worked, "work", `handled for ${duration(worked - m.ended)} until its last send`));
  const bad = m.kind === "failed" || m.kind === "refused" || m.kind === "dropped" || m.kind === "expired";
  return h("div", {
    class: "wrow row" + (selected ? " selected" : ""), tabIndex: 0, role: "button", "aria-current": selected ? "true" : undefined,
    onclick: () => open(m), onkeydown: (e) => { if (e.key === "Enter") open(m); },
  },
  h("span", { class: "wname" }, chip(m.channel),
    m.place && h("span", { class: "muted" }, "sent from ", h("code", {}, m.place)),
    m.handler && h("span", { class: "muted" }, "handled by ", h("code", {}, m.handler)),
    bad && h("span", { class: "bad" }, m.kind + (m.reason ? ": " + m.reason : ""))),
  track,
  h("span", { class: "wtime" }, "+" + duration(m.sent - start), m.ended ? h("small", {}, "waited " + waited) : h("small", {}, outcomeOf(m))));
}

// lastSend returns when the handler of a message sent its last message, judging
// by the chain: the next messages that a generation sent.
function lastSend(list, i) {
  const m = list[i];
  if (!wasTaken(m) || !m.ended) return 0;
  let last = 0;
  for (let j = i + 1; j < list.length; j++) {
    if (list[j].generation && list[j].sent >= m.ended) last = list[j].sent;
    else if (!list[j].generation) break;
  }
  return last;
}
