// Groups as fans: a hub, and a ray to each member.
import { h, updateChildren, setText, setName, number } from "../dom.js";

const maxFans = 6;

export class Fans {
  // changed is called when the fans or their rays change.
  constructor(changed) {
    this.changed = changed;
    this.node = h("div", { class: "fans" });
    this.more = h("a", { href: "#/groups", class: "further" }, "All groups");
    this.shown = [];
    this.order = [];
  }

  draw(list, all) {
    const seen = new Map(list.map((g) => [g.name, g]));
    this.order = this.order.filter((name) => seen.has(name));
    for (const name of seen.keys()) if (!this.order.includes(name)) this.order.push(name);
    const groups = this.order.slice(0, maxFans).map((name) => seen.get(name));
    updateChildren(this.node, groups, (g) => g.name, fan, drawFan);
    if (!groups.length) this.node.replaceChildren(h("p", { class: "muted empty" }, "No group has members. A group sends one message to all its members."));
    setText(this.more, all > groups.length ? `All ${number(all)} groups` : "All groups");
    this.shown = groups.map((g) => ({ name: g.name, members: g.members, box: this.node.entries.get(g.name).node.querySelector(".fan") }));
    const shape = groups.map((g) => g.name + " " + Math.min(g.members, 12)).join("\n");
    if (shape !== this.shape) this.changed();
    this.shape = shape;
  }
}

function fan(g) {
  const name = h("b", { title: g.name });
  setName(name, g.name);
  return h("a", { class: "fancard", href: "#/groups?" + new URLSearchParams({ name: g.name }), title: "Members of the group (gauge)" },
    h("span", { class: "line" }, name, h("span", { class: "muted members" })), h("span", { class: "fan" }));
}

const drawFan = (node, g) => setText(node.querySelector(".members"), `${number(g.members)} ${g.members === 1 ? "member" : "members"}`);
