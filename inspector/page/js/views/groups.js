// Groups and their members.
import { h, setText, number, duration, ask, toast, short } from "../dom.js";
import { attempt, post, errorOf } from "../api.js";
import { byteHint, notJSON } from "../payload.js";
import { Table, nameFilter } from "../table.js";

const columns = [
  { title: "Group", of: (g) => g.name, text: (g) => g.name, class: "wrap" },
  { title: "Members", about: "Number of members (gauge)", of: (g) => g.members, down: true, text: (g) => number(g.members), class: "figures num" },
];

export function groups(shell, params) {
  let chosen = params.name || "";
  let filter = "";
  let list = null; // until the first frame
  const table = new Table({
    columns, keyOf: (g) => g.name, open: choose, by: 1, down: true,
    empty: () => (filter ? "No group has this text in its name." : "No group has members. An application adds one with Group(name).add(channel)."),
  });
  const members = new Table({
    name: "members",
    columns: [
      { title: "Member", of: (m) => m.channel, shape: (m) => m.channel, nodes: (m) => [memberNode(m.channel)], class: "wrap" },
      { title: "Ends in", about: "Time until the membership ends unless it is renewed (gauge)", of: (m) => m.expires, text: (m) => duration(Math.max(0, m.expires - (shell.status.now || Date.now()))) },
      { title: "", label: "", shape: (m) => m.channel, nodes: (m) => [h("button", { class: "small danger", onclick: () => attempt(post("group/discard", { group: chosen, channel: m.channel }), "Removed") }, "Remove")], class: "does" },
    ],
    keyOf: (m) => m.channel,
    open: (channel) => { if (channel.includes("!")) shell.go("connections", { name: channel }); },
    byKeyOnly: true,
    empty: "The group has no members.",
  });
  const note = h("span", { class: "muted" }), count = h("p", { class: "facts" });
  const detail = h("aside", { class: "detail", hidden: true, "aria-label": "Open group" });
  const node = h("div", { class: "split" },
    h("div", { class: "tools" },
      nameFilter(filter, (text) => { filter = text; draw(); }, () => watch()),
      table.sorter, h("button", { onclick: () => add() }, "Add a member…"), note),
    h("div", { class: "scroll" }, table.node),
    detail);

  const watch = () => shell.watch({ ...(chosen && { name: chosen }), ...(filter && { like: filter }) });

  function choose(name) {
    const before = chosen;
    chosen = name;
    detail.hidden = !name;
    table.choose(name);
    members.clear();
    setText(count, "");
    if (name) {
      detail.replaceChildren(
        h("div", { class: "head" }, h("h2", {}, name), h("button", { class: "small", onclick: () => choose(""), "aria-label": "Close", title: "Close (Esc)" }, "✕")),
        count,
        h("div", { class: "actions left" }, h("button", { class: "primary", onclick: send }, "Send to all…"), h("button", { onclick: () => add(name) }, "Add a member…"),
          h("a", { class: "needs-store", href: "#/messages?" + new URLSearchParams({ filter: "group:" + name }) }, "In Messages")),
        members.node);
      detail.scrollTop = 0;
    }
    watch();
    if (name) detail.scrollIntoView({ block: "nearest" });
    else table.focus(before);
  }

  async function send() {
    const group = chosen;
    const v = await ask(`Send to all members of ${group}`, [{ name: "message", label: "Message, as JSON. " + byteHint, value: '{\n  "text": ""\n}', rows: 8 }], "Send", false,
      ({ message }) => notJSON(message, "message") || errorOf(post("group/send", `{"group": ${JSON.stringify(group)}, "message": ${message}}`)));
    if (v) toast("Sent");
  }

  async function add(group = "") {
    const v = await ask("Add a member", [{ name: "group", label: "Group", value: group }, { name: "channel", label: "Channel" }], "Add", false,
      (v) => errorOf(post("group/add", v)));
    if (v) toast("Added");
  }

  function frame(f) {
    if (!f.status) return;
    list = f.groups || [];
    const all = f.all || 0;
    setText(note, `${number(all)} ${all === 1 ? "group" : "groups"}${filter ? " match" : ""}` + (all > list.length ? `; showing the ${list.length} largest` : ""));
    draw();
    if (!chosen) return;
    const inside = f.members || [];
    const n = list.find((g) => g.name === chosen)?.members ?? inside.length;
    setText(count, `${number(n)} ${n === 1 ? "member" : "members"}` + (n > inside.length ? `; showing the first ${inside.length}` : ""));
    members.draw(inside);
  }

  function draw() {
    if (list) table.draw(list.filter((g) => g.name.includes(filter)));
  }

  function key(e) {
    if (e.key !== "Escape" || !chosen) return (document.activeElement?.closest(".detail") ? members : table).key(e);
    choose("");
    return true;
  }

  return { node, frame, key, started() { if (chosen) choose(chosen); } };
}

function memberNode(channel) {
  if (!channel.includes("!")) return h("a", { href: "#/channels?" + new URLSearchParams({ name: channel }) }, channel);
  return h("a", { href: "#/connections?" + new URLSearchParams({ name: channel }), title: channel }, short(channel));
}
