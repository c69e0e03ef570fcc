// The messages that wait on a channel. They can be read, edited and dropped.
import { h, updateChildren, setText, number, duration, clock, ask, toast } from "./dom.js";
import { attempt, post, errorOf } from "./api.js";
import { byteHint, json, messageNode, notJSON } from "./payload.js";

export class WaitingList {
  // changed is called after a message was edited or dropped.
  constructor(changed) {
    this.changed = changed;
    this.rows = h("div", { class: "waiting" });
    this.rest = h("p", { class: "muted rest", hidden: true });
    this.node = h("div", { class: "waitingbox" }, this.rows, this.rest);
    this.messages = [];
  }

  clear() {
    this.rows.entries = null;
    this.rows.replaceChildren();
    this.messages = [];
    this.count = this.depth = 0;
    this.rest.hidden = true;
  }

  // draw shows messages, or without them how long those wait that it shows.
  draw(messages, now) {
    if (messages) this.show(messages);
    for (const m of this.messages) setText(this.rows.entries.get(m.id).node.querySelector(".since"), m.sent ? duration(Math.max(0, now - m.sent)) : "due " + clock(m.deadline));
  }

  show(messages) {
    this.messages = messages;
    this.count = messages.length;
    updateChildren(this.rows, messages, (m) => m.id, (m) => this.row(m), drawRow);
    this.showRest(this.depth);
    if (!messages.length) this.rows.replaceChildren(h("p", { class: "muted empty" }, "No messages are waiting."));
  }

  // showRest shows how many waiting messages are not listed.
  showRest(depth) {
    this.depth = depth;
    const more = this.count > 0 ? depth - this.count : 0;
    this.rest.hidden = more <= 0;
    if (more > 0) setText(this.rest, `and ${number(more)} more`);
  }

  row(m) {
    const inside = h("div", { class: "inside", hidden: true });
    const show = h("button", {
      class: "what", "aria-expanded": "false", title: "Show the whole message",
      onclick: () => { inside.hidden = !inside.hidden; show.setAttribute("aria-expanded", String(!inside.hidden)); },
    });
    const node = h("div", { class: "waits" }, show,
      h("span", { class: "since", title: (m.sent ? "Waiting time; sent at " + clock(m.sent) : "Time when it is due") + (document.documentElement.classList.contains("shared") ? "" : m.durable ? "; stored on disk" : "; in memory only") }),
      h("button", { class: "small needs-store", onclick: () => this.edit(node.waits) }, "Edit…"),
      h("button", { class: "small danger needs-store", onclick: async () => { if (await attempt(post("channel/drop", { channel: m.channel, id: m.id }), "Dropped")) this.changed(); } }, "Drop"),
      inside);
    return node;
  }

  async edit(m) {
    const v = await ask("Edit the waiting message", [{ name: "message", label: "Message, as JSON. " + byteHint, value: json(m.message), rows: 14 }], "Replace", false,
      ({ message }) => notJSON(message, "message") || errorOf(post("channel/edit", `{"channel": ${JSON.stringify(m.channel)}, "id": ${m.id}, "message": ${message}}`)));
    if (!v) return;
    toast("Edited");
    this.changed();
  }
}

function drawRow(node, m) {
  node.waits = m;
  setText(node.querySelector(".what"), m.preview || "(empty message)");
  node.querySelector(".inside").replaceChildren(messageNode(m.message));
}
