// A list of messages that grows at its top and stands still while it is read.
import { setText, number } from "./dom.js";

const maxMessages = 1000; // in memory
const maxRows = 500;
const busyRows = 80; // while messages come too fast to be read
const busyMessages = 40; // in one frame
const calmFrames = 10; // with fewer messages, until all rows are drawn again

export class Tail {
  // create makes a row, update shows a message in it. Rows are reused for other
  // messages. more is the button that shows new messages.
  constructor({ scroll, body, more, create, update, busy }) {
    Object.assign(this, { scroll, body, more, create, update, busy });
    this.lines = [];
    this.held = false;
    this.pointed = false;
    this.renew = true; // whether the next first frame replaces the list
    this.clear();
    scroll.addEventListener("scroll", () => this.draw(), { passive: true });
    body.addEventListener("pointerenter", (e) => { this.pointed = e.pointerType === "mouse"; this.draw(); });
    body.addEventListener("pointerleave", () => { this.pointed = false; this.draw(); });
    body.addEventListener("focusin", () => this.draw());
    body.addEventListener("focusout", () => requestAnimationFrame(() => this.draw()));
    more.addEventListener("click", () => this.take());
  }

  clear() {
    this.messages = new Map(); // by id, the oldest first
    this.list = []; // the drawn messages, the newest first
    this.passed = 0; // new messages while it stands still
    this.flood = 0; // frames until it counts as calm
    for (const line of this.lines) line.remove();
    this.lines = [];
  }

  // begin prepares for a first frame. The server that sends it has run since then.
  begin(since) {
    if (this.renew || since !== this.since || !this.still()) this.clear();
    this.since = since;
    this.renew = false;
  }

  add(messages, first) {
    let fresh = 0;
    for (const m of messages) {
      if (!this.messages.has(m.id)) fresh++;
      this.messages.set(m.id, m);
    }
    if (this.messages.size > maxMessages) {
      const ids = this.messages.keys();
      while (this.messages.size > maxMessages) this.messages.delete(ids.next().value);
    }
    this.flood = !first && fresh > busyMessages ? calmFrames : Math.max(0, this.flood - 1);
    if (this.still()) this.passed += fresh;
    this.draw();
  }

  still() {
    return this.lines.length > 0 && (this.held || this.pointed || this.scroll.scrollTop > 4 || this.busy() || !!this.body.querySelector(":focus-visible"));
  }

  // toggle holds or continues the list, as the button says that has the name.
  toggle(button, name) {
    this.held = !this.held;
    button.textContent = this.held ? "Continue" : name;
    button.classList.toggle("primary", this.held);
    button.setAttribute("aria-pressed", String(this.held));
    if (this.held) this.draw();
    else this.take();
  }

  // note says what the list shows. held is the word for a list that is held, and share the
  // part of all, named by what, that the server records.
  note(held, share, what) {
    const parts = [];
    if (this.held) parts.push(`${held} · ${this.passed.toLocaleString("en")} new`);
    if (share < 0.999) parts.push(`busy: ${(share * 100).toFixed(share < 0.1 ? 1 : 0)} % of the ${what} recorded`);
    if (!parts.length && this.list.length) parts.push(`the newest ${this.list.length}`);
    return parts.join(" · ");
  }

  // take draws the newest messages even if the list stands still.
  take() {
    this.scroll.scrollTop = 0;
    this.passed = 0;
    this.show(this.flood ? busyRows : maxRows);
  }

  draw() {
    if (!this.still()) {
      this.passed = 0;
      return this.show(this.flood ? busyRows : maxRows);
    }
    // The drawn messages stay, with their latest state.
    if (!this.passed && this.list.length === busyRows) return this.show(maxRows);
    this.write(this.list.map((m) => this.messages.get(m.id) || m));
  }

  show(n) {
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
