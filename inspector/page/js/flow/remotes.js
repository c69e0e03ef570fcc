// Programs that receive messages over HTTP, such as workers in other processes.
import { h, updateChildren, setText, setName, number, duration } from "../dom.js";

const maxRows = 4;

export class Remotes {
  constructor() {
    this.node = h("div", { class: "remotes" });
  }

  draw(list, now) {
    updateChildren(this.node, list.slice(0, maxRows), keyOf, row);
    for (const r of list.slice(0, maxRows)) {
      const { node } = this.node.entries.get(keyOf(r));
      setText(node.children[2], doing(r, now));
      node.title = `${programOf(r)} on ${r.host} reads ${r.channels.join(", ")}; ${number(r.received)} received`;
    }
    if (list.length > maxRows) this.node.append(h("p", { class: "muted" }, `and ${number(list.length - maxRows)} more`));
  }
}

const keyOf = (r) => r.host + " " + r.agent;

function row(r) {
  const host = h("b", {}), program = h("span", {});
  setName(host, r.host);
  setName(program, programOf(r));
  return h("a", { class: "remote", href: "#/workers" }, host, program, h("span", { class: "muted" }));
}

// programOf returns the name of a program, which is its User-Agent.
export const programOf = (r) => r.agent || "no User-Agent";

// doing says what a program does and when it took its last message.
export function doing(r, now) {
  const last = r.channel ? `last ${r.channel}, ${duration(Math.max(0, now - r.at))} ago` : "no message yet";
  return (r.waiting ? "waits; " : "") + last;
}
