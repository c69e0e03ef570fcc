// Programs that receive messages over HTTP, such as workers in other processes,
// and other machines on the layer.
import { h, updateChildren, setText, setName, number, duration } from "../dom.js";

const maxRows = 4;

export class Remotes {
  constructor() {
    this.node = h("div", { class: "remotes" });
  }

  draw(readers, machines, now) {
    const list = [...machines.filter((m) => !m.self).map(ofMachine), ...readers.map((r) => ofReader(r, now))];
    const shown = list.slice(0, maxRows);
    updateChildren(this.node, shown, (r) => r.host + " " + r.program, row);
    for (const r of shown) {
      const { node } = this.node.entries.get(r.host + " " + r.program);
      setText(node.children[2], r.does);
      node.title = r.title;
    }
    if (list.length > maxRows) this.node.append(h("p", { class: "muted" }, `and ${number(list.length - maxRows)} more`));
  }
}

const ofReader = (r, now) => ({
  host: r.host, program: programOf(r), does: doing(r, now),
  title: `${programOf(r)} on ${r.host} reads ${r.channels.join(", ")}; ${number(r.received)} received`,
});

const ofMachine = (m) => ({
  host: m.name, program: `asgibox, process ${m.pid}`, title: `asgibox ${m.version} on ${m.name}`,
  does: `${number(m.workers)} ${m.workers === 1 ? "worker" : "workers"}, ${number(m.sockets)} ${m.sockets === 1 ? "socket" : "sockets"}`,
});

function row(r) {
  const host = h("b", {}), program = h("span", {});
  setName(host, r.host);
  setName(program, r.program);
  return h("a", { class: "remote", href: "#/workers" }, host, program, h("span", { class: "muted" }));
}

// programOf returns the name of a program, which is its User-Agent.
export const programOf = (r) => r.agent || "no User-Agent";

// doing says what a program does and when it took its last message.
export function doing(r, now) {
  const last = r.channel ? `last ${r.channel}, ${duration(Math.max(0, now - r.at))} ago` : "no message yet";
  return (r.waiting ? "waits; " : "") + last;
}
