// One request or WebSocket in full, its response beside it. It grows while the
// response is streamed or frames come.
import { h, $, setText, updateChildren, clock, copy, number, showDialog, toast } from "../dom.js";
import { attempt, get, post } from "../api.js";
import { byteString } from "../bytes.js";
import { curl, messageNode, plain, valueNode } from "../payload.js";
import { replay } from "../compose.js";
import { requestCard, keepForPlay } from "../requests.js";
import { saveTest, download } from "../savetest.js";
import { waterfall } from "../waterfall.js";
import { frameRow } from "../views/connections.js";
import { bodyNode, bytesOf, fields, joined } from "./body.js";
import { over, sizeOf, statusOf, tookOf } from "./row.js";
import { timingNode } from "./timing.js";

const inputs = ["http.request", "websocket.connect"];

export class Detail {
  // close is called when the reader closes it.
  constructor(shell, node, close) {
    Object.assign(this, { shell, node, close });
    this.id = null; // of the shown request
  }

  // open shows a request.
  async open(id) {
    this.id = id;
    let full;
    try {
      full = await get("request", { id });
    } catch (error) {
      if (this.id !== id) return;
      this.node.replaceChildren(this.head("Request"), h("p", { class: "bad" }, error.message + "."));
      this.node.hidden = false;
      return;
    }
    if (this.id !== id) return;
    const within = this.node.contains(document.activeElement);
    this.build(full);
    this.node.hidden = false;
    this.node.scrollTop = 0;
    if (within) this.node.focus({ preventScroll: true });
  }

  // changed shows the changes of the request, a moment later.
  changed() {
    this.timer ||= setTimeout(async () => {
      this.timer = 0;
      const id = this.id;
      const full = id === null ? null : await get("request", { id }).catch(() => null); // cleared meanwhile
      if (full && this.id === id && this.full?.id === id) this.draw(full);
    }, 200);
  }

  hide() {
    this.id = null;
    this.full = null;
    this.node.hidden = true;
    this.node.replaceChildren();
  }

  head(title) {
    return h("div", { class: "head" }, h("h2", {}, title), h("button", { class: "small", onclick: this.close, "aria-label": "Close", title: "Esc" }, "✕"));
  }

  build(full) {
    this.shown = {}; // what the sides show
    this.chosen = { sent: {}, received: {} }; // formats
    this.facts = h("p", { class: "facts" });
    this.took = h("span", {});
    this.notes = h("div", {});
    this.timing = h("div", {});
    this.sent = h("section", { "aria-label": "Request" });
    this.received = h("section", { "aria-label": "Response" });
    this.frames = h("div", { class: "tail" });
    this.framesBox = h("div", { hidden: true }, this.framesTitle = h("h3", {}), this.frames);
    const chain = h("div", {});
    this.node.replaceChildren(
      this.head(h("span", { class: "target" }, h("b", {}, full.socket ? "WebSocket" : full.method), " ", full.path || "(not a valid request)")), this.facts, this.notes,
      this.actions(full), h("h3", {}, full.socket ? "Time until the reply to the handshake" : "Time"), this.timing,
      h("div", { class: "sides" }, this.sent, this.received), this.framesBox,
      full.trace ? h("details", { class: "chainbox", ontoggle: (e) => e.target.open && this.drawChain(chain) }, h("summary", {}, "Messages, from the socket to the reply"), chain) : "");
    this.draw(full);
  }

  actions(full) {
    const act = (name, what, title, kind) => h("button", { class: kind, onclick: what, title }, name);
    const http = !full.socket && full.trace;
    return h("div", { class: "actions left" },
      http && act("Replay", () => this.replay(), "Send the request again (r)", "primary"),
      http && act("Edit & replay…", () => this.edit(), "Change the request, then send it (e)"),
      full.trace && act("Save as test…", () => saveTest((m) => this.traces().includes(m.trace)), "Write a test from this request"),
      h("span", { class: "copies" }, "Copy as ",
        http && act("curl", () => this.copyCurl(), "A command for the shell (c)", "small"),
        full.trace && act("Starlark test", () => this.copyTest(), "A test for asgibox test", "small"),
        act("HAR", () => this.copyArchive(), "An HTTP Archive, for other tools", "small")),
      act("Download HAR", () => saveArchive({ id: full.id }), "An HTTP Archive as a file"),
      full.socket && full.channel && h("a", { href: "#/connections?" + new URLSearchParams({ name: full.channel }) }, "Send or close it"));
  }

  draw(full) {
    this.full = full;
    const r = full, [status, colour] = statusOf(r);
    this.tick();
    this.facts.replaceChildren(...[
      h("b", { class: "status " + colour }, status), this.took, h("span", {}, sizeOf(r)), h("span", {}, "at " + clock(r.started)), r.version && h("span", {}, "HTTP/" + r.version), r.client && h("span", {}, r.client),
      r.handler && h("code", {}, r.handler), r.worker && h("span", {}, "worker " + r.worker), r.generation && h("span", {}, "generation " + r.generation),
    ].filter(Boolean));
    this.notes.replaceChildren(...notesOf(full).map(([kind, text]) => h("p", { class: kind }, text)));
    this.timing.replaceChildren(timingNode(r));
    this.side("sent", this.sent, () => requestNodes(full, this.chosen.sent), [r.bytesIn, full.messages.length > 0]);
    this.side("received", this.received, () => responseNodes(full, this.chosen.received), [r.state, r.parts, r.bytesOut]);
    const frames = framesOf(full);
    this.framesBox.hidden = !frames.length;
    if (frames.length) {
      setText(this.framesTitle, (full.socket ? "Frames" : `Parts of the response, as they came`) + `, the newest first` + (full.left ? ` (${number(full.left)} older ones are not shown)` : ""));
      updateChildren(this.frames, frames.reverse(), (m) => m.id, (m) => frameRow(m, full.channel));
    }
  }

  // tick shows how much time has passed.
  tick() {
    if (this.full) setText(this.took, (over(this.full) ? "" : "so far ") + tookOf(this.full, this.shell.status.now || Date.now()));
  }

  // side draws the request or the response again if it has changed, unless the
  // reader selects text in it.
  side(name, node, nodes, state) {
    const shape = JSON.stringify(state), selection = getSelection();
    if (this.shown[name] === shape || this.shown[name] && !selection.isCollapsed && node.contains(selection.anchorNode)) return;
    this.shown[name] = shape;
    const open = [...node.querySelectorAll("details")].map((d) => d.open);
    node.replaceChildren(...nodes());
    [...node.querySelectorAll("details")].forEach((d, i) => { if (i in open) d.open = open[i]; });
  }

  async drawChain(node) {
    const chain = await attempt(get("trace", { id: this.full.trace }));
    if (!chain) return;
    const first = chain.messages[0];
    node.replaceChildren(waterfall(chain, { id: 0 }, (m) => this.shell.go("messages", { filter: "trace:" + m.trace, id: m.id })),
      h("p", {}, h("a", { href: "#/messages?" + new URLSearchParams({ filter: "trace:" + first.trace, id: first.id }) }, "in Messages")));
  }

  key(e) {
    const actions = this.full?.trace && !this.full.socket ? { r: () => this.replay(), e: () => this.edit(), c: () => this.copyCurl() } : {};
    if (!actions[e.key]) return false;
    actions[e.key]();
    return true;
  }

  // request returns the message of the request with its whole body, or null.
  request() {
    const { message, data, complete } = sentOf(this.full);
    if (!message) toast("The history does not have this request any more", true);
    else if (!complete) toast("The history does not have the whole body of this request", true);
    else return { ...message, body: byteString(data), body_channel: null };
    return null;
  }

  replay() { replay(this.full); }

  edit() {
    const message = this.request();
    if (!message) return;
    keepForPlay(message);
    showDialog("Edit and replay", h("div", { class: "play single" }, requestCard(this.shell)));
    $("#dialog [aria-label=Path]").focus();
  }

  copyCurl() {
    const message = this.request();
    if (message) copy(curl("http.request", { ...message, body: message.body.length > 1 ? message.body : "" }, this.shell.status), "curl");
  }

  // traces returns the traces of the messages from the client.
  traces() {
    return [...new Set(this.full.messages.filter((m) => m.channel !== this.full.channel).map((m) => m.trace))];
  }

  async copyTest() {
    const test = await attempt(post("test", { traces: this.traces() }));
    if (!test) return;
    await copy(test.text, "a test");
    if (test.gaps.length) toast("Copied. " + test.gaps.join("; "), true);
  }

  async copyArchive() {
    const archive = await attempt(get("har", { id: this.full.id }));
    if (archive) copy(JSON.stringify(archive, null, 2), "HAR");
  }
}

// saveArchive downloads requests as an HTTP Archive.
export async function saveArchive(params) {
  const archive = await attempt(get("har", params));
  if (archive) download(JSON.stringify(archive, null, 2), "requests.har");
}

// sentOf returns the message of a request, its body, and whether that is complete.
function sentOf(full) {
  const message = full.messages.find((m) => inputs.includes(m.channel))?.message;
  if (!message) return { data: new Uint8Array() };
  const pieces = message.body_channel ? full.messages.filter((m) => m.channel === message.body_channel) : [];
  return {
    message, data: joined([message.body, ...pieces.map((m) => m.message.content)].map(bytesOf)),
    complete: !message.body_channel || !full.left && pieces.length > 0 && !pieces.at(-1).message.more_content,
  };
}

const repliesOf = (full) => full.messages.filter((m) => m.channel === full.channel && m.kind !== "refused");

// framesOf returns the messages that are listed: frames, or the parts of a response.
function framesOf(full) {
  if (full.socket) return full.messages;
  const replies = repliesOf(full);
  return replies.length > 1 ? replies : [];
}

const headerOf = (message, name) => (message?.headers || []).map((pair) => pair.map((v) => String(plain(v)))).find(([n]) => n.toLowerCase() === name)?.[1] || "";

function headersNode(message) {
  const list = message.headers || [];
  return h("details", { open: true }, h("summary", {}, list.length === 1 ? "1 header" : `${list.length} headers`),
    list.length ? valueNode(list, "headers") : "");
}

function requestNodes(full, chosen) {
  const { message, data, complete } = sentOf(full);
  if (!message) return [h("h3", {}, "Request"), h("p", { class: "muted" }, full.partial ? "The handshake was before the history began." : full.trace ? "The history does not have it any more." : "The server refused it before it was sent to the application, so its content was not recorded.")];
  const query = [...new URLSearchParams(plain(message.query_string || "") || "")];
  return [
    h("h3", {}, "Request"), headersNode(message),
    query.length ? h("details", { open: true }, h("summary", {}, "Query"), fields(query)) : "",
    full.socket || !data.length && complete ? "" : bodyNode(data, headerOf(message, "content-type"), headerOf(message, "content-encoding"), chosen),
    complete || full.socket ? "" : h("p", { class: "muted" }, "This is not the whole body: the rest has not come, or is not in the history any more."),
  ];
}

function responseNodes(full, chosen) {
  const replies = repliesOf(full), title = h("h3", {}, "Response");
  if (full.server) return [title, h("p", {}, `The server sent this response itself: ${full.status}.`), full.why ? h("p", { class: "bad" }, full.why) : ""];
  const first = replies.find((m) => m.message.status || full.socket && ("accept" in m.message || "close" in m.message))?.message;
  if (!first) return [title, h("p", { class: "muted" }, full.partial || full.state === "open" || full.state === "done" ? "The history does not have it." : full.state === "left" ? "The client left before there was one." : "There is none yet.")];
  if (full.socket) return [title, messageNode(first)];
  const data = joined(replies.map((m) => bytesOf(m.message.content)));
  const bodyless = full.method === "HEAD" || [204, 205, 304].includes(full.status);
  return [
    title, headersNode(first),
    bodyless && !data.length ? h("p", { class: "muted" }, "A response like this has no body.") : bodyNode(data, headerOf(first, "content-type"), headerOf(first, "content-encoding"), chosen),
    full.left ? h("p", { class: "muted" }, `This is not the whole body: ${number(full.left)} parts in the middle are not shown.`) : "",
  ];
}

// notesOf returns what is unusual about a request.
function notesOf(full) {
  const notes = [];
  if (full.failed) notes.push(["bad", h("span", {}, "Its handler failed. ", h("a", { href: "#/errors?" + new URLSearchParams({ trace: full.trace }) }, "Show the error"))]);
  if (full.why && !full.server) notes.push([full.socket && full.state === "closed" ? "muted" : "bad", full.why]);
  if (full.state === "waiting" && full.timing?.waitingMs > 1000) notes.push(["warn", "It waits for a worker. Are all workers busy, or is the channel http.request paused?"]);
  if (full.state === "held") notes.push(["muted", "Its handler has ended without a response. It can still come, for example from another request or a job."]);
  if (full.partial) notes.push(["muted", "The socket was open before the history began."]);
  return notes;
}
