// Workers as cells that show their handlers.
import { h, updateChildren, setText, setName, number, duration } from "../dom.js";

const maxCells = 96;
const maxLabelled = 16; // cells with room for text
const quickMs = 700; // how long a quick handler is shown

export class Cells {
  constructor() {
    this.node = h("div", { class: "cells" });
    this.description = h("p", { class: "muted description", "aria-live": "off" });
    this.node.addEventListener("pointerover", (e) => this.select(e.target.closest(".cell")));
    this.node.addEventListener("pointerleave", () => this.select(null));
    this.node.addEventListener("focusin", (e) => this.select(e.target));
    this.node.addEventListener("focusout", () => this.select(null));
  }

  // draw takes the workers, and those that handled messages since the last frame.
  draw(list, handled, { generation, now }) {
    this.all = list.length;
    this.node.classList.toggle("labelled", list.length <= maxLabelled);
    const shown = list.slice(0, maxCells);
    updateChildren(this.node, shown, (w) => w.number, (w) => h("a", { class: "cell", href: "#/workers" }, h("b", {}, String(w.number)), h("span", { class: "does" }), h("span", { class: "for" })));
    for (const d of handled) if (this.node.entries.has(d.worker)) this.node.entries.get(d.worker).did = { handler: d.handler, until: now + quickMs };
    for (const w of shown) this.drawCell(this.node.entries.get(w.number), w, generation, now);
    this.describe();
  }

  drawCell(entry, w, generation, now) {
    const { node } = entry;
    if (entry.handler && !w.busy) entry.did = { handler: entry.handler, until: now + quickMs };
    entry.handler = w.busy ? w.handler || w.channel : "";
    const long = w.busy ? Math.max(0, now - w.since) : 0;
    const did = entry.did?.until > now ? nameOf(entry.did.handler) || "a handler" : "";
    const name = "cell" + (w.busy ? " busy" : did ? " did" : "") + (w.cancelled ? " stuck" : "") + (generation && w.generation !== generation ? " old" : "");
    if (node.className !== name) node.className = name;
    setName(node.children[1], w.busy ? nameOf(w.handler) || w.channel : did || "idle");
    setText(node.children[2], long >= 100 ? (long < 9950 ? (long / 1000).toFixed(1) + " s" : duration(long)) : ""); // shorter times would change too fast to read
    node.description = describeWorker(w, now, generation);
    if (node.title !== node.description) node.title = node.description;
  }

  select(cell) {
    this.selected = cell;
    this.describe();
  }

  describe() {
    const rest = this.all > maxCells ? `and ${number(this.all - maxCells)} more` : "";
    setText(this.description, this.selected?.isConnected && this.selected.description || rest);
    this.description.title = this.description.textContent;
  }
}

// nameOf removes the place of a handler, because a cell has no room for it.
const nameOf = (handler) => (handler || "").replace(/ \(.*\)$/, "");

function describeWorker(w, now, generation) {
  const old = generation && w.generation !== generation ? `, of generation ${w.generation}` : "";
  if (!w.busy) return `Worker ${w.number}${old} waits for a message`;
  const stop = w.cancelled ? ", cancelled" : "";
  return `Worker ${w.number}${old}: ${w.handler || "a handler"} on ${w.channel} for ${duration(Math.max(0, now - w.since))}${stop}`;
}
