// The drawer below a pipe: its waiting messages and the actions on them.
import { h, setText, number } from "../dom.js";
import { attempt, getExact, post } from "../api.js";
import { WaitingList } from "../waiting.js";

export class Drawer {
  // opened is called with the name of the open channel, or "" for none.
  constructor(shell, opened) {
    this.shell = shell;
    this.opened = opened;
    this.name = "";
    this.list = new WaitingList(() => this.refresh());
    this.text = h("p", { class: "text" });
    this.valve = h("button", { class: "small needs-store", onclick: () => this.toggle() }, "Pause");
    this.stepper = h("button", { class: "small needs-store", title: "Deliver one message (s)", onclick: () => this.step(this.name) }, "Step");
    this.more = h("a", {}, "In Channels");
    this.node = h("div", { class: "drawer" },
      h("div", { class: "head" }, this.text,
        h("div", { class: "actions" }, this.stepper, this.valve, this.more,
          h("button", { class: "small", title: "Close (Esc)", "aria-label": "Close", onclick: () => this.open("") }, "✕"))),
      this.list.node);
  }

  open(name) {
    this.name = name;
    this.node.remove();
    this.list.clear();
    this.more.href = "#/channels?" + new URLSearchParams({ name });
    this.shell.watch(name ? { name } : {});
    this.opened(name);
    if (name) this.refresh();
  }

  draw(channel) {
    if (!this.name) return;
    if (!channel) return this.open("");
    this.paused = channel.paused;
    const sockets = this.shell.status.sockets;
    setText(this.text, this.shell.status.layer ? "Messages that wait, for all machines." : !channel.paused ? "Messages pass. Pause the channel to hold them here."
      : channel.depth ? `${number(channel.depth)} held; messages do not expire.` + (sockets ? ` ${sockets === 1 ? "The socket stays" : `${number(sockets)} sockets stay`} open.` : "")
        : "Paused: messages wait here and do not expire.");
    setText(this.valve, channel.paused ? "Resume" : "Pause");
    this.valve.classList.toggle("primary", channel.paused);
    this.stepper.hidden = !channel.paused;
    this.list.showRest(channel.depth);
  }

  // waiting draws the waiting messages of a frame.
  waiting(messages) {
    if (this.name) this.list.draw(messages, this.shell.status.now);
  }

  // refresh shows a change without waiting for the next frame.
  async refresh() {
    const { name } = this;
    const result = await getExact("waiting", { channel: name, limit: 50 }).catch(() => null); // the next frame brings it
    if (result && name === this.name) this.waiting(result.waiting);
  }

  async toggle() {
    await attempt(post(this.paused ? "channel/resume" : "channel/pause", { channel: this.name }));
    this.refresh();
  }

  async step(name) {
    await attempt(post("channel/step", { channel: name }), (a) => (a.stepped ? "Delivered one message" : "No message is waiting"));
    if (name === this.name) this.refresh();
  }
}
