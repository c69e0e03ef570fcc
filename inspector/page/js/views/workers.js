// What each worker does now.
import { h, keep, setText, took, short } from "../dom.js";
import { attempt, post } from "../api.js";
import { family } from "./messages.js";

export function workers(shell) {
  const body = h("tbody"), note = h("p", { class: "muted" });
  const count = h("input", { class: "count", type: "number", min: 1, max: 1000, required: true, title: "How many handlers run at once" });
  const change = h("form", { class: "tools", hidden: true, onsubmit: apply }, h("label", { class: "line" }, "Workers ", count), h("button", {}, "Change"));
  const node = h("div", { class: "scroll alone" }, note, change, h("table", { class: "list" },
    h("thead", {}, h("tr", {}, ["Worker", "Generation", "Does", "For", "Handler", "Trace"].map((t) => h("th", {}, t)))), body));

  async function apply(e) {
    e.preventDefault();
    const n = Number(count.value);
    if (await attempt(post("workers", { workers: n }), n === 1 ? "1 worker from now on" : `${n} workers from now on`)) count.blur();
  }

  function frame(f) {
    if (!f.status) return;
    const list = f.workers || [];
    const now = f.status.now;
    setText(note, `${list.filter((w) => w.busy).length} of ${list.length} busy now. New messages go to generation ${f.status.generation} (${f.status.kind || "none"}).`);
    const staying = list.filter((w) => w.generation === f.status.generation && !w.leaving).length;
    change.hidden = !list.length;
    if (document.activeElement !== count) count.value = staying;
    keep(body, list, (w) => w.number, () => h("tr", {}, Array.from({ length: 6 }, () => h("td"))), (line, w) => {
      const [number, generation, does, , handler, trace] = line.children;
      setText(number, w.number);
      generation.replaceChildren(String(w.generation), w.generation !== f.status.generation ? h("span", { class: "tag warn" }, "retiring") : "");
      does.replaceChildren(w.busy ? h("span", { class: "chip " + family(w.channel) }, short(w.channel)) : h("span", { class: "muted" }, "waits"), w.cancelled ? h("span", { class: "tag warn" }, "told to stop") : "", w.leaving ? h("span", { class: "tag warn" }, "leaves after this") : "");
      handler.replaceChildren(w.handler ? h("code", {}, w.handler) : "");
      trace.replaceChildren(w.trace ? h("a", { href: "#/messages?" + new URLSearchParams({ filter: "trace:" + w.trace, trace: w.trace }) }, h("code", {}, w.trace)) : "");
    });
    for (const w of list) setText(body.kept.get(w.number).node.children[3], w.busy ? took(Math.max(0, now - w.since)) : "");
    if (!list.length) body.replaceChildren(h("tr", {}, h("td", { colSpan: 6, class: "muted empty" }, "There are no workers in this process (--no-workers).")));
  }
  return { node, frame };
}
