// The application's shared state.
import { h, keep, setText, number, ask, toast } from "../dom.js";
import { attempt, get, post } from "../api.js";
import { valueNode } from "../payload.js";

export function state() {
  let prefix = "";
  let timer;
  const body = h("tbody"), note = h("span", { class: "muted" });
  const node = h("div", {},
    h("div", { class: "tools" }, h("input", { type: "search", placeholder: "Keys that begin with …", "aria-label": "Prefix", oninput: (e) => { prefix = e.target.value; load(); } }),
      h("button", { onclick: () => set("", null) }, "Set a key…"), note),
    h("div", { class: "scroll alone" }, h("table", { class: "list state" }, h("thead", {}, h("tr", {}, ["Key", "Value", ""].map((t) => h("th", {}, t)))), body)));

  async function load() {
    clearTimeout(timer);
    if (!document.hidden) {
      try {
        draw(await get("state", { prefix }));
      } catch (error) {
        setText(note, error.message);
      }
    }
    if (node.isConnected || !node.shown) timer = setTimeout(load, 1000);
    node.shown = true;
  }

  function draw(answer) {
    setText(note, `${number(answer.all)} keys` + (answer.all > answer.state.length ? `, the first ${answer.state.length} are shown` : ""));
    keep(body, answer.state, (item) => item.key, () => h("tr", {}, h("td"), h("td"), h("td")), (line, item) => {
      line.children[0].replaceChildren(h("code", {}, item.key));
      line.children[1].replaceChildren(valueNode(item.value));
      line.children[2].replaceChildren(
        h("button", { class: "small", onclick: () => set(item.key, item.value) }, "Edit…"), " ",
        h("button", { class: "small danger", onclick: () => remove(item.key) }, "Delete…"));
    });
    if (!answer.state.length) body.replaceChildren(h("tr", {}, h("td", { colSpan: 3, class: "muted empty" }, "No state. An application keeps some with state.set(key, value).")));
  }

  async function set(key, value) {
    const v = await ask(key ? "Change a value" : "Set a key", [{ name: "key", label: "Key", value: key }, { name: "value", label: "Value, as JSON", value: JSON.stringify(value, null, 2), rows: 8 }], "Set");
    if (!v) return;
    try {
      JSON.parse(v.value);
    } catch (error) {
      return toast("The value is not JSON: " + error.message, true);
    }
    if (await attempt(post("state/set", `{"key": ${JSON.stringify(v.key)}, "value": ${v.value}}`), "Set")) load();
  }

  async function remove(key) {
    if (await ask(`Delete ${key}?`, [], "Delete", true) && await attempt(post("state/delete", { key }), "Deleted")) load();
  }

  return { node, started: load, end: () => clearTimeout(timer) };
}
