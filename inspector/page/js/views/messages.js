// The live list of messages, one message in full, and its chain.
import { h, setText, clock, duration, bytes, short, chip, family, toast, stepOf } from "../dom.js";
import { attempt, getExact, get, post } from "../api.js";
import { filterField } from "../filterfield.js";
import { messageNode, copyButtons } from "../payload.js";
import { compose, replay } from "../compose.js";
import { keepForPlay } from "../requests.js";
import { saveTest } from "../savetest.js";
import { Tail } from "../tail.js";
import { outcomeOf, wasTaken, waterfall } from "../waterfall.js";

const columns = [["Time", "time"], ["Channel", "channel"], ["What", "what"], ["Size", "size"], ["Waited", "waited"], ["Outcome", "outcome"]];
const noTrace = "0000000000000000";

// terms are examples of filter terms; docs/inspector.md explains all.
const terms = [
  ["channel:websocket.*", "full name of the channel"], ["path:/chat/*", "path of the request or socket that started the chain"],
  ["kind:refused", "sent, taken, failed, refused, expired, dropped, delayed, no route"], ["group:chat-*", "copies of messages to a group"],
  ['text:"good morning"', "text, byte string or key anywhere in the message"], ["trace:00c0ffee", "chain whose trace starts with this"],
  ["reply:web!x", "messages from and to a connection"], ["gen:3", "sent or received by this generation of the application"],
  ["hello", "word anywhere in any of these"], ["-kind:taken", "minus: messages that do not match"],
];

export function messages(shell, params) {
  let selected = null; // id of the open message
  let trace = ""; // of its chain
  let again = 0; // timer of drawAgain
  let known = false; // whether a frame has come

  const field = filterField({
    view: "messages", list: "messages", value: params.filter || "", placeholder: "channel:websocket.*  path:/chat/*  kind:refused  hello", terms,
    watch(p) { tail.renew = true; shell.watch(p); },
  });
  const hold = h("button", { onclick: toggle, title: "Space", "aria-pressed": "false" }, "Hold");
  const note = h("span", { class: "muted" });
  const more = h("button", { class: "more primary small", hidden: true });
  const body = h("tbody");
  const empty = h("p", { class: "muted empty" });
  const table = h("table", { class: "list messages" },
    h("thead", {}, h("tr", {}, columns.map(([t, c]) => h("th", { class: c }, t)))), body);
  const scroll = h("div", { class: "scroll" }, table, empty);
  const detail = h("aside", { class: "detail", hidden: true, "aria-label": "Message", tabIndex: -1 });
  const node = h("div", { class: "split" },
    h("div", { class: "tools" }, field.input, field.terms, hold,
      h("button", { onclick: clear, title: "Delete the inspector's history" }, "Clear"),
      h("button", { onclick: saveShown, title: "Write a test from the chains in the list" }, "Save as test…"),
      h("button", { onclick: () => compose(shell) }, "Send…"), note, field.wrong, field.help),
    h("div", { class: "tailbox" }, scroll, more), detail);
  const tail = new Tail({ scroll, body, more, create: row, update: drawRow, busy: () => selected !== null });

  async function clear() {
    if (!(await attempt(post("forget"), "History deleted"))) return;
    close();
    tail.clear();
    drawNote();
  }

  async function saveShown() {
    const shown = await attempt(get("messages", { filter: field.value(), limit: 5000 }));
    const traces = new Set(shown?.messages.map((m) => m.trace));
    if (shown) saveTest((m) => traces.has(m.trace));
  }

  function toggle() {
    tail.toggle(hold, "Hold");
    drawNote();
  }

  function frame(f, first) {
    known = true;
    if (first) tail.begin(shell.status.since);
    tail.add(f.messages || [], first);
    drawNote();
    if (trace && f.messages?.some((m) => m.trace === trace)) again ||= setTimeout(drawAgain, 250);
  }

  function drawAgain() {
    again = 0;
    if (selected !== null) open(selected, true);
  }

  function drawNote() {
    setText(note, tail.note("held", shell.status.share ?? 1, "chains"));
    empty.hidden = !known || tail.list.length > 0;
    setText(empty, field.value() ? "No message in the history matches the filter. New matching messages appear here." : "No messages yet. Open the application, or use Play.");
  }

  function row() {
    const line = h("tr", { tabIndex: 0, onclick: () => open(line.message.id), onkeydown: (e) => { if (e.key === "Enter") open(line.message.id); } },
      columns.map(([, c]) => h("td", { class: c })));
    line.children[1].append(h("span", { class: "chip" }), h("span", { class: "tag", hidden: true }));
    line.children[5].append(h("span"));
    return line;
  }

  function drawRow(line, m) {
    const [time, channel, what, size, waited, outcome] = line.children;
    if (line.dataset.id !== String(m.id)) {
      line.dataset.id = m.id;
      setText(time, clock(m.sent));
      const [name, group] = channel.children;
      name.className = "chip " + family(m.channel);
      name.title = m.channel;
      setText(name, short(m.channel, 24)); // width of the column
      group.hidden = !m.group;
      group.title = "sent to the group " + m.group;
      setText(group, m.group || "");
      setText(what, m.preview);
      setText(size, bytes(m.bytes));
      line.classList.toggle("selected", m.id === selected);
    }
    setText(waited, m.ended ? duration(m.waitedMs || 0) : "");
    line.classList.toggle("failed", m.kind === "failed");
    outcome.firstChild.className = "kind " + m.kind;
    outcome.firstChild.title = m.reason || "";
    setText(outcome.firstChild, outcomeOf(m));
  }

  function mark() {
    for (const line of body.children) line.classList.toggle("selected", line.dataset.id === String(selected));
  }

  // open shows a message. With again it only updates the chain.
  async function open(id, again) {
    selected = id;
    if (!again) mark();
    let m, chain;
    try {
      m = await getExact("message", { id });
      chain = m.trace === noTrace ? { messages: [m] } : await get("trace", { id: m.trace }).catch(() => ({ messages: [m] }));
    } catch (error) {
      if (selected !== id || again) return;
      detail.replaceChildren(head("Message", close), h("p", { class: "bad" }, error.message + "."), h("p", { class: "muted" }, "The history has a limit, and the server drops the oldest messages even while the list is held."));
      detail.hidden = false;
      return;
    }
    if (selected !== id || ended) return;
    trace = m.trace === noTrace ? "" : m.trace;
    const chart = waterfall(chain, m, (other) => open(other.id));
    if (again && detail.querySelector(".waterfall")) {
      detail.querySelector(".waterfall").replaceWith(chart);
      detail.querySelector(".facts").replaceWith(factsOf(m));
      return;
    }
    const within = detail.contains(document.activeElement);
    detail.replaceChildren(...detailOf(m, chart, shell, close));
    detail.hidden = false;
    detail.scrollTop = 0;
    if (within) detail.focus({ preventScroll: true });
  }

  function close() {
    const line = [...body.children].find((l) => l.dataset.id === String(selected));
    const within = detail.contains(document.activeElement);
    selected = null;
    trace = "";
    detail.hidden = true;
    mark();
    if (within) (line || field.input).focus({ preventScroll: true });
    tail.draw();
    drawNote();
  }

  function key(e) {
    if (e.key === " " && !e.target.closest("button, a, summary")) { toggle(); return true; }
    if (e.key === "Escape" && selected !== null) { close(); return true; }
    if (e.key === "Escape" && body.contains(document.activeElement)) { document.activeElement.blur(); return true; }
    const step = stepOf(e);
    if (!step || !body.children.length) return false;
    const lines = [...body.children];
    let at = lines.findIndex((l) => l.dataset.id === String(selected));
    if (at < 0) at = lines.indexOf(document.activeElement);
    if (at === 0 && step < 0 && tail.passed) { // up, to the new messages
      const id = lines[0].dataset.id;
      tail.take();
      at = Math.max(lines.findIndex((l) => l.dataset.id === id), 0);
      mark();
    }
    const line = body.children[Math.min(Math.max(at + step, 0), body.children.length - 1)];
    line.focus({ preventScroll: true });
    line.scrollIntoView({ block: "nearest" });
    open(Number(line.dataset.id));
    return true;
  }

  let ended = false;
  return {
    node, frame, key, follows: true,
    started() {
      field.watch();
      drawNote();
      if (params.id) open(Number(params.id));
      else if (params.trace) get("trace", { id: params.trace }).then((c) => open(c.messages[0].id)).catch((e) => toast(e.message, true));
    },
    end() {
      ended = true;
      field.end();
      clearTimeout(again);
    },
  };
}

const head = (title, close) => h("div", { class: "head" }, h("h2", {}, title), h("button", { class: "small", onclick: close, "aria-label": "Close", title: "Esc" }, "✕"));

function factsOf(m) {
  return h("p", { class: "facts" },
    h("span", {}, clock(m.sent)), h("span", {}, bytes(m.bytes)), m.path && h("span", {}, m.path), m.group && h("span", {}, "to the group " + m.group),
    m.place && h("span", {}, "sent from ", h("code", {}, m.place)), m.generation && h("span", {}, "sent by generation " + m.generation),
    m.ended && h("span", {}, (wasTaken(m) ? "waited " : m.kind + " after ") + duration(m.waitedMs || 0)), m.taker && h("span", {}, "received by generation " + m.taker),
    m.began && h("span", {}, `handled by worker ${m.worker} in ${duration(m.handledMs || 0)}`), m.handler && h("code", {}, m.handler),
    m.reason && h("span", { class: "bad" }, m.reason), m.error && h("a", { href: "#/errors?" + new URLSearchParams({ id: m.error }) }, "Show the error"));
}

function detailOf(m, chart, shell, close) {
  const traced = m.trace !== noTrace;
  return [
    head(chip(m.channel, m.channel), close), factsOf(m),
    h("div", { class: "actions left" },
      traced && h("button", { class: "primary", onclick: () => replay(m), title: "Repeat the start of this chain" }, "Replay"),
      traced && h("button", { onclick: () => saveTest((other) => other.trace === m.trace), title: "Write a test from this chain" }, "Save as test…"),
      h("button", { onclick: () => compose(shell, m.channel, m.message) }, "Edit & send again"),
      m.channel === "http.request" && h("button", { onclick: () => toPlay(m.message, shell), title: "Edit the request and send it in Play" }, "Edit in Play"),
      traced && m.path && h("a", { href: "#/requests?" + new URLSearchParams({ trace: m.trace }) }, "Show the request"),
      copyButtons(m.channel, m.message, () => shell.status)),
    h("h3", {}, "Content"), messageNode(m.message),
    traced && h("h3", {}, "Chain ", h("code", { class: "muted" }, m.trace), " ", h("a", { href: "#/messages?" + new URLSearchParams({ filter: "trace:" + m.trace, id: m.id }) }, "only this chain")),
    traced ? chart : "",
  ].filter(Boolean);
}

function toPlay(message, shell) {
  keepForPlay(message);
  shell.go("play");
}
