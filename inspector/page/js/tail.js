// A list that grows at its top, and stands still while somebody reads it.
import { setText, number } from "./dom.js";

const kept = 1000; // messages to draw from
const most = 500; // rows
const few = 80; // rows while so much comes that nobody can read it
const much = 40; // messages a frame that are too many to read
const calm = 10; // frames with fewer, until all rows are drawn again

export class Tail {
  // create makes a row, update writes a message into it. Rows are used again
  // for other messages. more is the button that brings what came meanwhile.
  constructor({ scroll, body, more, create, update, busy }) {
    Object.assign(this, { scroll, body, more, create, update, busy });
    this.lines = [];
    this.held = false;
    this.pointed = false;
    this.clear();
    scroll.addEventListener("scroll", () => this.draw(), { passive: true });
    body.addEventListener("pointerenter", (e) => { this.pointed = e.pointerType === "mouse"; this.draw(); });
    body.addEventListener("pointerleave", () => { this.pointed = false; this.draw(); });
    body.addEventListener("focusin", () => this.draw());
    body.addEventListener("focusout", () => requestAnimationFrame(() => this.draw()));
    more.addEventListener("click", () => this.take());
  }

  clear() {
    this.messages = new Map(); // by number, oldest first
    this.list = []; // what is drawn, newest first
    this.passed = 0; // since it stands still
    this.flood = 0; // frames until it has been calm for a while
    for (const line of this.lines) line.remove();
    this.lines = [];
  }

  add(messages, first) {
    let fresh = 0;
    for (const m of messages) {
      if (!this.messages.has(m.id)) fresh++;
      this.messages.set(m.id, m);
    }
    if (this.messages.size > kept) {
      const ids = this.messages.keys();
      while (this.messages.size > kept) this.messages.delete(ids.next().value);
    }
    this.flood = !first && fresh > much ? calm : Math.max(0, this.flood - 1);
    if (this.still()) this.passed += fresh;
    this.draw();
  }

  still() {
    return this.lines.length > 0 && (this.held || this.pointed || this.scroll.scrollTop > 4 || this.busy() || !!this.body.querySelector(":focus-visible"));
  }

  hold(held) {
    this.held = held;
    if (held) this.draw();
    else this.take();
  }

  // take draws the newest, whatever kept the list still.
  take() {
    this.scroll.scrollTop = 0;
    this.passed = 0;
    this.choose(this.flood ? few : most);
  }

  draw() {
    if (!this.still()) {
      this.passed = 0;
      return this.choose(this.flood ? few : most);
    }
    // What is drawn stays; what has happened to it since is written into it.
    if (!this.passed && this.list.length === few) return this.choose(most);
    this.write(this.list.map((m) => this.messages.get(m.id) || m));
  }

  choose(n) {
    const all = [...this.messages.values()];
    this.write(all.slice(-n).reverse());
  }

  write(list) {
    this.list = list;
    while (this.lines.length > list.length) this.lines.pop().remove();
    const fragment = document.createDocumentFragment();
    while (this.lines.length < list.length) {
      const line = this.create();
      this.lines.push(line);
      fragment.append(line);
    }
    if (fragment.firstChild) this.body.append(fragment);
    list.forEach((m, i) => {
      const line = this.lines[i];
      if (line.message === m) return;
      line.message = m;
      this.update(line, m);
    });
    this.more.hidden = !this.passed;
    if (this.passed) setText(this.more, `↑ ${number(this.passed)} more`);
  }
}
