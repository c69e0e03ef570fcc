// The drawer below a pipe: what waits in it, and what may be done with it.
import { h, setText, number } from "../dom.js";
import { attempt, exactly, post } from "../api.js";
import { WaitingList } from "../waiting.js";

export class Drawer {
  // opened is called with the name of the channel that is open, "" for none.
  constructor(shell, opened) {
    this.shell = shell;
    this.opened = opened;
    this.name = "";
    this.list = new WaitingList(() => this.refresh());
    this.says = h("p", { class: "says" });
    this.valve = h("button", { class: "small", onclick: () => this.turn() }, "Pause");
    this.stepper = h("button", { class: "small", title: "Let one message pass (s)", onclick: () => this.step(this.name) }, "Step");
    this.more = h("a", {}, "In Channels");
    this.node = h("div", { class: "drawer" },
      h("div", { class: "head" }, this.says,
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
    setText(this.says, !channel.paused ? "Messages pass. Pause to hold them here."
      : channel.depth ? `${number(channel.depth)} held; nothing expires.` + (sockets ? ` ${sockets === 1 ? "The socket stays" : `${number(sockets)} sockets stay`} open.` : "")
        : "Held: what is sent here waits, and does not expire.");
    setText(this.valve, channel.paused ? "Resume" : "Pause");
    this.valve.classList.toggle("primary", channel.paused);
    this.stepper.hidden = !channel.paused;
    this.list.tell(channel.depth);
  }

  // waiting takes what a frame says of what waits.
  waiting(peeked) {
    if (this.name) this.list.draw(peeked, this.shell.status.now);
  }

  // refresh does not wait for the next frame to show what an act has changed.
  async refresh() {
    const { name } = this;
    const answer = await exactly("waiting", { channel: name, limit: 50 }).catch(() => null); // the next frame has it
    if (answer && name === this.name) this.waiting(answer.waiting);
  }

  async turn() {
    await attempt(post(this.paused ? "channel/resume" : "channel/pause", { channel: this.name }));
    this.refresh();
  }

  async step(name) {
    await attempt(post("channel/step", { channel: name }), (a) => (a.stepped ? "One message passed" : "Nothing waits"));
    if (name === this.name) this.refresh();
  }
}
