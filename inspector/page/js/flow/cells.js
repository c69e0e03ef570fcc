// Workers as cells, with what they do.
import { h, keep, setText, number, took } from "../dom.js";

const most = 96;
const roomy = 16; // so many have room for words
const rememberMs = 700; // a handler that was too quick to be seen at work

export class Cells {
  constructor() {
    this.node = h("div", { class: "cells" });
    this.says = h("p", { class: "muted tell", "aria-live": "off" });
    this.node.addEventListener("pointerover", (e) => this.look(e.target.closest(".cell")));
    this.node.addEventListener("pointerleave", () => this.look(null));
    this.node.addEventListener("focusin", (e) => this.look(e.target));
    this.node.addEventListener("focusout", () => this.look(null));
  }

  // draw takes the workers, and which of them did something since the last frame.
  draw(list, did, { generation, now }) {
    this.all = list.length;
    this.node.classList.toggle("roomy", list.length <= roomy);
    const shown = list.slice(0, most);
    keep(this.node, shown, (w) => w.number, (w) => h("a", { class: "cell", href: "#/workers" }, h("b", {}, String(w.number)), h("span", { class: "does" }), h("span", { class: "for" })));
    for (const d of did) if (this.node.kept.has(d.worker)) this.node.kept.get(d.worker).did = { handler: d.handler, until: now + rememberMs };
    for (const w of shown) this.drawCell(this.node.kept.get(w.number), w, generation, now);
    this.tell();
  }

  drawCell(kept, w, generation, now) {
    const { node } = kept;
    const long = w.busy ? Math.max(0, now - w.since) : 0;
    const did = kept.did?.until > now ? nameOf(kept.did.handler) || "a handler" : "";
    const name = "cell" + (w.busy ? " busy" : did ? " did" : "") + (w.cancelled ? " stuck" : "") + (generation && w.generation !== generation ? " old" : "");
    if (node.className !== name) node.className = name;
    setText(node.children[1], w.busy ? nameOf(w.handler) || w.channel : did || "waits");
    setText(node.children[2], long >= 100 ? took(long) : ""); // shorter ones nobody could read
    node.words = wordsOf(w, now, generation);
    if (node.title !== node.words) node.title = node.words;
  }

  look(cell) {
    this.looked = cell;
    this.tell();
  }

  tell() {
    const rest = this.all > most ? `and ${number(this.all - most)} more` : "";
    setText(this.says, this.looked?.isConnected && this.looked.words || rest);
    this.says.title = this.says.textContent;
  }
}

// nameOf leaves out where a handler stands: a cell has no room for that.
const nameOf = (handler) => (handler || "").replace(/ \(.*\)$/, "");

function wordsOf(w, now, generation) {
  const old = generation && w.generation !== generation ? `, of generation ${w.generation}` : "";
  if (!w.busy) return `Worker ${w.number}${old} waits for a message`;
  const stop = w.cancelled ? ", told to stop" : "";
  return `Worker ${w.number}${old}: ${w.handler || "a handler"} on ${w.channel} for ${took(Math.max(0, now - w.since))}${stop}`;
}
