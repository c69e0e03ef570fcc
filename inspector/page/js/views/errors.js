// The distinct errors of the application, each with its source, the message that
// caused it, and its chain.
import { h, setText, clock, number, short, time, chip } from "../dom.js";
import { attempt, get, getExact, post } from "../api.js";
import { messageNode, copyButtons } from "../payload.js";
import { showReplay } from "../compose.js";
import { Table } from "../table.js";
import { editorLink, stackNode } from "../trace.js";
import { waterfall } from "../waterfall.js";

const kinds = { handler: "failed", load: "does not load", log: "logged" };

const columns = [
  {
    title: "Error", class: "whole what", of: (e) => e.text, shape: (e) => [e.text, e.place, e.now, e.warning, e.handler, e.kind],
    nodes: (e) => [h("span", { class: "text" }, e.text),
      h("span", { class: "where" }, h("span", { class: "tag " + (e.warning ? "warn" : "bad") }, e.warning ? "warning" : kinds[e.kind]),
        e.place && h("code", {}, e.place), e.handler && h("span", { class: "muted" }, e.handler), !e.now && h("span", { class: "tag" }, "earlier generation"))],
  },
  { title: "Count", class: "num", about: "Total since the server started", of: (e) => e.count, down: true, text: (e) => number(e.count) },
  { title: "Last", of: (e) => e.last, down: true, text: (e) => time(e.last) },
  { title: "First", class: "less", of: (e) => e.first, down: true, text: (e) => time(e.first) },
  { title: "Generation", class: "less num", about: "First and last generation that had the error", of: (e) => e.generation, down: true, text: (e) => (e.since === e.generation ? String(e.generation) : `${e.since}–${e.generation}`) },
];

const choices = { all: ["All", () => true], now: ["Now", (e) => e.now], errors: ["Errors", (e) => !e.warning], warnings: ["Warnings", (e) => e.warning] };

export function errors(shell, params) {
  let chosen = params.id || ""; // id of the open error
  let shown = null; // the open error in full
  let list = null; // until the first frame
  let choice = choices[params.show] ? params.show : "all";
  let filter = params.filter || "";
  const table = new Table({
    name: "errors pairs", columns, keyOf: (e) => e.id, open, by: 2, down: true,
    empty: () => (list?.length ? "No error matches." : "No errors. A handler that fails, a file that does not load and a warning of the log appear here."),
  });
  const search = h("input", { type: "search", placeholder: "Text, place or handler", "aria-label": "Filter", value: filter, spellcheck: false, oninput: () => { filter = search.value; draw(); } });
  const buttons = Object.entries(choices).map(([name, [title]]) => h("button", { "aria-pressed": "false", onclick: () => { choice = name; draw(); }, "data-choice": name }, title));
  const note = h("span", { class: "muted" });
  const detail = h("aside", { class: "detail", hidden: true, "aria-label": "Error", tabIndex: -1 });
  const node = h("div", { class: "split" },
    h("div", { class: "tools" }, search, h("span", { class: "choices", role: "group", "aria-label": "Show" }, buttons), table.sorter,
      h("button", { onclick: () => forget("") , title: "Delete the list of errors" }, "Clear"), note),
    h("div", { class: "scroll" }, table.node), detail);
  let ended = false;

  function matches(e) {
    const word = filter.trim().toLowerCase();
    return choices[choice][1](e) && [e.text, e.place, e.handler, e.channel, e.worker].some((s) => s?.toLowerCase().includes(word));
  }

  function frame(f) {
    if (!f.errors) return;
    list = f.errors.errors;
    draw();
    const dropped = f.errors.dropped;
    setText(note, dropped ? `${number(dropped)} more had no room` : "");
    const e = list.find((x) => x.id === chosen);
    if (e && shown && e.count !== shown.count) load({ id: chosen }, true);
    else if (e && shown && e.now !== shown.now) drawHead(e);
  }

  function draw() {
    for (const b of buttons) b.setAttribute("aria-pressed", String(b.dataset.choice === choice));
    if (list) table.draw(list.filter(matches));
    table.choose(chosen);
  }

  // open shows an error in full.
  function open(id) {
    chosen = id;
    table.choose(id);
    history.replaceState(null, "", "#/errors?" + new URLSearchParams({ id }));
    load({ id });
  }

  // load fetches the open error. With again it is open already.
  async function load(query, again) {
    let e;
    try {
      e = await getExact("error", query);
    } catch (error) {
      if (ended || again) return;
      detail.replaceChildren(top("Error"), h("p", { class: "bad" }, error.message + "."));
      detail.hidden = false;
      return;
    }
    if (ended || (query.id && chosen !== e.id)) return;
    const fold = again && [...detail.querySelectorAll("details")].map((d) => d.open);
    const same = again && shown?.at === e.at && shown.id === e.id;
    chosen = e.id;
    shown = e;
    table.choose(e.id);
    if (same) return drawHead(e); // the stored failure is the same
    const within = detail.contains(document.activeElement), at = detail.scrollTop;
    detail.replaceChildren(...detailOf(e));
    if (fold) [...detail.querySelectorAll("details")].forEach((d, i) => { if (fold[i] !== undefined) d.open = fold[i]; });
    detail.hidden = false;
    detail.scrollTop = again ? at : 0;
    if (within) detail.focus({ preventScroll: true });
    if (!again) detail.scrollIntoView({ block: "nearest" });
    drawChain(e);
  }

  function drawHead(e) {
    shown = { ...shown, ...e };
    detail.querySelector(".facts")?.replaceWith(factsOf(shown));
    detail.querySelector(".failures")?.replaceWith(failuresOf(shown));
  }

  async function drawChain(e) {
    const box = detail.querySelector(".chain");
    if (!box || !e.cause) return;
    try {
      const chain = await get("trace", { id: e.cause });
      const m = chain.messages.find((x) => x.error === e.id) || chain.messages.find((x) => x.channel === e.channel) || chain.messages[0];
      if (shown === e) box.replaceChildren(waterfall(chain, m, (other) => shell.go("messages", { id: other.id, filter: "trace:" + e.cause })));
    } catch {
      box.replaceChildren(h("p", { class: "muted" }, "The history does not have this chain: it is too old, or only a share of the chains is recorded."));
    }
  }

  const top = (title) => h("div", { class: "head" }, h("h2", {}, title), h("button", { class: "small", onclick: close, "aria-label": "Close", title: "Close (Esc)" }, "✕"));

  function detailOf(e) {
    const frames = e.parts.flatMap((p) => p.frames || []);
    const place = (e.parts[0]?.frames || []).at(-1);
    const whole = e.kind === "log" ? e.detail : "";
    return [
      top(h("span", { class: (e.warning ? "warn" : "bad") + " text" }, e.kind === "log" ? e.text : e.parts[0]?.text || e.text)), factsOf(e),
      h("div", { class: "actions left" },
        e.message && h("button", { class: "primary", onclick: replay, title: "Send the message that caused it again (r)" }, "Replay"),
        e.kind === "load" && h("button", { class: "primary", onclick: reload, title: "Load the application again (r)" }, "Load again"),
        place && editorLink(place),
        e.cause && h("a", { href: "#/messages?" + new URLSearchParams({ filter: "trace:" + e.cause }) }, "In Messages"),
        e.cause && h("a", { href: "#/requests?" + new URLSearchParams({ trace: e.cause }) }, "In Requests"),
        h("button", { onclick: () => forget(e.id), title: "Delete it from the list; it returns when it occurs again" }, "Delete")),
      whole && whole !== e.text && h("pre", { class: "record" }, whole),
      (frames.length > 0 || e.parts.some((p) => p.hint)) && stackNode(e.parts),
      (e.message || e.tooLong) && h("h3", {}, "Message ", chip(e.channel)),
      e.tooLong && h("p", { class: "muted" }, "The message is longer than 256 KiB, so it is not stored with the error."),
      e.message && messageNode(e.message),
      e.message && copyButtons(e.channel, e.message, () => shell.status),
      e.cause && e.kind === "handler" && h("h3", {}, "Chain ", h("code", { class: "muted" }, e.cause)),
      e.cause && e.kind === "handler" && h("div", { class: "chain" }),
      failuresOf(e),
    ].filter(Boolean);
  }

  async function replay() {
    const result = await attempt(post("errors/replay", { id: chosen }));
    if (result) showReplay(result);
  }

  async function reload() {
    await attempt(post("reload"), (a) => `Generation ${a.generation} is live`);
  }

  async function forget(id) {
    const left = await attempt(post("errors/forget", { id }), id ? "Deleted" : "The list is empty");
    if (!left) return;
    if (!id || id === chosen) close();
    frame({ errors: left });
  }

  function close() {
    const before = chosen;
    chosen = "";
    shown = null;
    detail.hidden = true;
    table.choose("");
    history.replaceState(null, "", "#/errors");
    table.focus(before);
  }

  function key(e) {
    if (e.key === "Escape" && chosen) close();
    else if (e.key === "r" && shown?.message) replay();
    else if (e.key === "r" && shown?.kind === "load") reload();
    else if (e.key === "o" && detail.querySelector(".editor")) detail.querySelector(".editor").click();
    else if (!table.key(e)) return false;
    else if (chosen && document.activeElement?.key) open(document.activeElement.key);
    return true;
  }

  return {
    node, frame, key,
    started() {
      draw();
      if (params.trace) load({ trace: params.trace });
      else if (chosen) load({ id: chosen });
    },
    end() { ended = true; },
  };
}

function factsOf(e) {
  return h("p", { class: "facts" },
    h("span", {}, `${number(e.count)} ${e.count === 1 ? "time" : "times"}`), h("span", {}, `first ${time(e.first)}`), h("span", {}, `last ${time(e.last)}`),
    h("span", {}, e.since === e.generation ? `generation ${e.generation}` : `generations ${e.since} to ${e.generation}`),
    !e.now && h("span", {}, e.kind === "load" ? "loads now" : "not in the current generation"),
    e.handler && h("code", {}, e.handler), e.channel && !e.handler && h("code", {}, short(e.channel)), e.worker && h("span", {}, `from ${e.worker}`));
}

// failuresOf lists the newest occurrences.
function failuresOf(e) {
  const rows = e.failures.filter((f) => f.trace || e.count > 1);
  return h("div", { class: "failures", hidden: !rows.length }, h("h3", {}, e.count > e.failures.length ? `The newest ${e.failures.length} of ${number(e.count)}` : "When"),
    h("ul", {}, rows.map((f) => h("li", {}, h("span", {}, clock(f.at)), h("span", { class: "muted" }, `generation ${f.generation}`),
      f.trace && h("a", { href: "#/messages?" + new URLSearchParams({ filter: "trace:" + f.trace }) }, h("code", {}, f.trace))))));
}
