// The shared state of the application.
import { h, setText, number, ask, toast } from "../dom.js";
import { attempt, getExact, post, errorOf } from "../api.js";
import { byteHint, json, notJSON, valueNode } from "../payload.js";
import { Table } from "../table.js";

export function state() {
  let prefix = "";
  let timer;
  const note = h("span", { class: "muted" });
  const table = new Table({
    name: "state", keyOf: (item) => item.key, open: (key, item) => set(key, item.value), byKeyOnly: true,
    empty: () => (prefix ? "No key starts with this." : "No state. An application stores values with state.set(key, value)."),
    columns: [
      { title: "Key", of: (item) => item.key, shape: (item) => item.key, nodes: (item) => [h("code", {}, item.key)], class: "wrap" },
      { title: "Value", shape: (item) => item.value, nodes: (item) => [valueNode(item.value)], class: "wrap value" },
      {
        title: "", label: "", shape: (item) => item.value, class: "does",
        nodes: (item) => [h("button", { class: "small", onclick: () => set(item.key, item.value) }, "Edit…"), h("button", { class: "small danger", onclick: () => remove(item.key) }, "Delete…")],
      },
    ],
  });
  const node = h("div", {},
    h("div", { class: "tools" }, h("input", { type: "search", placeholder: "Keys that start with …", "aria-label": "Prefix", oninput: (e) => { prefix = e.target.value; load(); } }),
      table.sorter, h("button", { onclick: () => set("", null) }, "Set a key…"), note),
    h("div", { class: "scroll alone" }, table.node));

  async function load() {
    clearTimeout(timer);
    const requested = prefix;
    if (!document.hidden) {
      try {
        const result = await getExact("state", { prefix });
        if (requested === prefix) draw(result);
      } catch (error) {
        setText(note, error.message);
      }
    }
    clearTimeout(timer);
    if (node.isConnected || !node.shown) timer = setTimeout(load, 1000);
    node.shown = true;
  }

  function draw(result) {
    setText(note, `${number(result.all)} ${result.all === 1 ? "key" : "keys"}` + (result.all > result.state.length ? `, showing the first ${result.state.length}` : ""));
    table.draw(result.state);
  }

  async function set(key, value) {
    const v = await ask(key ? "Change a value" : "Set a key", [{ name: "key", label: "Key", value: key }, { name: "value", label: "Value, as JSON. " + byteHint, value: json(value), rows: 8 }], "Set", false,
      (v) => notJSON(v.value, "value") || errorOf(post("state/set", `{"key": ${JSON.stringify(v.key)}, "value": ${v.value}}`)));
    if (!v) return;
    toast("Set");
    load();
  }

  async function remove(key) {
    if (await ask(`Delete ${key}?`, [], "Delete", true) && await attempt(post("state/delete", { key }), "Deleted")) load();
  }

  return { node, started: load, key: (e) => table.key(e), end: () => clearTimeout(timer) };
}
