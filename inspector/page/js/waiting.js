// The messages that wait on a channel, to be looked at, edited and dropped.
import { h, keep, setText, number, took, clock, ask, toast } from "./dom.js";
import { attempt, post, refused } from "./api.js";
import { byteHint, json, messageNode, notJSON } from "./payload.js";

export class WaitingList {
  // changed is called after a message was edited or dropped.
  constructor(changed) {
    this.changed = changed;
    this.rows = h("div", { class: "waiting" });
    this.rest = h("p", { class: "muted rest", hidden: true });
    this.node = h("div", { class: "waitingbox" }, this.rows, this.rest);
  }

  clear() {
    this.rows.kept = null;
    this.rows.replaceChildren();
    this.count = this.depth = 0;
    this.rest.hidden = true;
  }

  draw(peeked, now) {
    this.count = peeked.length;
    keep(this.rows, peeked, (m) => m.id, (m) => this.row(m), drawRow);
    for (const m of peeked) setText(this.rows.kept.get(m.id).node.querySelector(".since"), m.sent ? took(Math.max(0, now - m.sent)) : "due " + clock(m.deadline));
    this.tell(this.depth);
    if (!peeked.length) this.rows.replaceChildren(h("p", { class: "muted empty" }, "Nothing waits."));
  }

  // tell says how many more wait than are shown.
  tell(depth) {
    this.depth = depth;
    const more = this.count > 0 ? depth - this.count : 0;
    this.rest.hidden = more <= 0;
    if (more > 0) setText(this.rest, `and ${number(more)} more behind these`);
  }

  row(m) {
    const inside = h("div", { class: "inside", hidden: true });
    const show = h("button", {
      class: "what", "aria-expanded": "false", title: "Show all of the message",
      onclick: () => { inside.hidden = !inside.hidden; show.setAttribute("aria-expanded", String(!inside.hidden)); },
    });
    const node = h("div", { class: "waits" }, show,
      h("span", { class: "since", title: (m.sent ? "Sent at " + clock(m.sent) + "; how long it has waited" : "When it is due") + (m.durable ? "; kept on disk" : "; in memory only") }),
      h("button", { class: "small", onclick: () => this.edit(node.waits) }, "Edit…"),
      h("button", { class: "small danger", onclick: async () => { if (await attempt(post("channel/drop", { channel: m.channel, id: m.id }), "Dropped")) this.changed(); } }, "Drop"),
      inside);
    return node;
  }

  async edit(m) {
    const v = await ask("Edit the message that waits", [{ name: "message", label: "Message, as JSON. " + byteHint, value: json(m.message), rows: 14 }], "Put it in place", false,
      ({ message }) => notJSON(message, "message") || refused(post("channel/edit", `{"channel": ${JSON.stringify(m.channel)}, "id": ${m.id}, "message": ${message}}`)));
    if (!v) return;
    toast("Edited");
    this.changed();
  }
}

function drawRow(node, m) {
  node.waits = m;
  setText(node.querySelector(".what"), m.preview || "an empty message");
  node.querySelector(".inside").replaceChildren(messageNode(m.message));
}
