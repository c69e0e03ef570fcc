// Groups and their members.
import { h, keep, setText, number, took, ask, toast, short } from "../dom.js";
import { attempt, post } from "../api.js";

export function groups(shell, params) {
  let chosen = params.name || "";
  const body = h("tbody"), note = h("span", { class: "muted" }), members = h("tbody");
  const detail = h("aside", { class: "detail", hidden: true });
  const node = h("div", { class: "split" },
    h("div", { class: "tools" }, h("button", { onclick: () => add() }, "Add a member…"), note),
    h("div", { class: "scroll" }, h("table", { class: "list" }, h("thead", {}, h("tr", {}, h("th", {}, "Group"), h("th", { title: "A gauge" }, "Members"))), body)),
    detail);

  function choose(name) {
    chosen = name;
    detail.hidden = !name;
    if (name) {
      detail.replaceChildren(
        h("div", { class: "head" }, h("h2", {}, name), h("button", { class: "small", onclick: () => choose(""), "aria-label": "Close" }, "✕")),
        h("div", { class: "actions left" }, h("button", { class: "primary", onclick: send }, "Send to all…"), h("button", { onclick: () => add(name) }, "Add a member…"),
          h("a", { href: "#/messages?" + new URLSearchParams({ filter: "group:" + name }) }, "In Messages")),
        h("table", { class: "list" }, h("thead", {}, h("tr", {}, ["Member", "Ends in", ""].map((t) => h("th", {}, t)))), members));
    }
    shell.watch(name ? { name } : {});
  }

  async function send() {
    const v = await ask(`Send to all of ${chosen}`, [{ name: "message", label: "Message, as JSON", value: '{\n  "text": ""\n}', rows: 8 }], "Send");
    if (!v) return;
    try {
      JSON.parse(v.message);
    } catch (error) {
      return toast("The message is not JSON: " + error.message, true);
    }
    await attempt(post("group/send", `{"group": ${JSON.stringify(chosen)}, "message": ${v.message}}`), "Sent");
  }

  async function add(group = "") {
    const v = await ask("Add a member", [{ name: "group", label: "Group", value: group }, { name: "channel", label: "Channel" }], "Add");
    if (v) await attempt(post("group/add", v), "Added");
  }

  function frame(f) {
    if (!f.status) return;
    const list = f.groups || [];
    setText(note, `${number(f.all || 0)} groups`);
    keep(body, list, (g) => g.name, (g) => h("tr", { tabIndex: 0, onclick: () => choose(g.name), onkeydown: (e) => { if (e.key === "Enter") choose(g.name); } }, h("td", { class: "wrap" }, g.name), h("td")), (line, g) => setText(line.children[1], number(g.members)));
    if (!list.length) body.replaceChildren(h("tr", {}, h("td", { colSpan: 2, class: "muted empty" }, "No group has members now.")));
    for (const line of body.children) line.classList.toggle("selected", line.firstChild.textContent === chosen);
    if (!chosen) return;
    keep(members, f.members || [], (m) => m.channel, (m) => h("tr", {}, h("td", {}, m.channel.includes("!") ? h("a", { href: "#/connections?" + new URLSearchParams({ name: m.channel }), title: m.channel }, short(m.channel)) : m.channel), h("td", {}, took(m.expires - Date.now())),
      h("td", {}, h("button", { class: "small danger", onclick: () => attempt(post("group/discard", { group: chosen, channel: m.channel }), "Removed") }, "Remove"))));
    if (!(f.members || []).length) members.replaceChildren(h("tr", {}, h("td", { colSpan: 3, class: "muted empty" }, "It has no members now.")));
  }

  return { node, frame, started() { choose(chosen); }, key(e) { if (e.key === "Escape" && chosen) { choose(""); return true; } return false; } };
}
