// Requests and WebSockets, one row for each, and one of them in full.
import { h, setText, stepOf } from "../dom.js";
import { attempt, get, post } from "../api.js";
import { Tail } from "../tail.js";
import { filterField } from "../filterfield.js";
import { Detail, saveArchive } from "../network/detail.js";
import { columns, draw, over, row, tookOf } from "../network/row.js";

// terms are examples of filter terms; docs/inspector.md explains all.
const terms = [
  ["method:POST", "method of the request"], ["path:/chat/*", "path, without the query"], ["status:4xx,500", "status of the response"],
  ["state:streaming", "waiting, running, held, streaming, done, left; connecting, open, refused, closed"], ["is:error", "http, socket, or error: a failed handler, or a status that says so"],
  ["type:image/*", "content type of the response"], ["handler:page", "part of the handler's name"], ["client:127.0.0.1", "part of the client's address"],
  ["slower:100", "took more than these milliseconds"], ["trace:00c0ffee", "trace that starts with this"], ["hello", "word anywhere in the row"], ["-is:socket", "minus: requests that do not match"],
];
const presets = [["All", ""], ["HTTP", "is:http"], ["Sockets", "is:socket"], ["Errors", "is:error"], ["Open", "state:waiting,running,held,streaming,connecting,open"]];

export function requests(shell, params) {
  let selected = null; // number of the open request
  let known = false; // whether a frame has come

  const field = filterField({
    view: "requests", list: "requests", value: params.filter || "", placeholder: "method:POST  path:/chat/*  status:5xx  is:socket  hello", terms,
    watch(p) { tail.renew = true; drawPresets(); shell.watch(p); },
  });
  const chips = presets.map(([name, filter]) => h("button", { onclick: () => field.set(filter) }, name));
  const pause = h("button", { onclick: toggle, title: "Space", "aria-pressed": "false" }, "Pause");
  const note = h("span", { class: "muted" });
  const more = h("button", { class: "more primary small", hidden: true });
  const body = h("tbody"), empty = h("p", { class: "muted empty" });
  const table = h("table", { class: "list requests" }, h("thead", {}, h("tr", {}, columns.map(([t, c]) => h("th", { class: c }, t)))), body);
  const scroll = h("div", { class: "scroll" }, table, empty);
  const aside = h("aside", { class: "detail", hidden: true, "aria-label": "Request", tabIndex: -1 });
  const node = h("div", { class: "split wide" },
    h("div", { class: "tools" }, field.input, field.terms, h("span", { class: "presets", role: "group", "aria-label": "Filters" }, chips), pause,
      h("button", { onclick: clear, title: "Delete the inspector's history" }, "Clear"),
      h("button", { onclick: () => saveArchive({ filter: field.value() }), title: "Save the requests that match the filter as an HTTP Archive" }, "Download HAR"), note, field.wrong, field.help),
    h("div", { class: "tailbox" }, scroll, more), aside);
  const now = () => shell.status.now || Date.now();
  const tail = new Tail({ scroll, body, more, create: () => row(open), update: (line, r) => draw(line, r, selected, now()), busy: () => selected !== null });
  const detail = new Detail(shell, aside, close);

  function drawPresets() {
    chips.forEach((chip, i) => chip.setAttribute("aria-pressed", String(field.value().trim() === presets[i][1])));
  }

  async function clear() {
    if (!(await attempt(post("forget"), "History deleted"))) return;
    close();
    tail.clear();
    drawNote();
  }

  function toggle() {
    tail.toggle(pause, "Pause");
    drawNote();
  }

  function frame(f, first) {
    known = true;
    if (first) tail.begin(shell.status.since);
    for (const id of f.others || []) tail.messages.delete(id);
    tail.add(f.requests || [], first);
    for (const line of body.children) if (!over(line.message)) setText(line.lastChild, tookOf(line.message, now()));
    detail.tick();
    if (selected !== null && (f.requests?.some((r) => r.id === selected) || f.others?.includes(selected))) detail.changed();
    drawNote();
  }

  function drawNote() {
    setText(note, tail.note("paused", shell.status.share ?? 1, "requests"));
    empty.hidden = !known || tail.list.length > 0;
    setText(empty, field.value() ? "No request in the history matches the filter. New matching requests appear here." : "No requests yet. Open the application, or use Play.");
  }

  const mark = () => { for (const line of body.children) line.classList.toggle("selected", line.message.id === selected); };

  function open(id) {
    selected = id;
    mark();
    detail.open(id);
  }

  function close() {
    const line = [...body.children].find((l) => l.message.id === selected);
    const within = aside.contains(document.activeElement);
    selected = null;
    detail.hide();
    mark();
    if (within) (line || field.input).focus({ preventScroll: true });
    tail.draw();
    drawNote();
  }

  function key(e) {
    if (e.key === " " && !e.target.closest("button, a, summary")) { toggle(); return true; }
    if (e.key === "Escape" && selected !== null) { close(); return true; }
    if (e.key === "Escape" && body.contains(document.activeElement)) { document.activeElement.blur(); return true; }
    if (selected !== null && detail.key(e)) return true;
    const step = stepOf(e);
    if (!step || !body.children.length) return false;
    const lines = [...body.children];
    let at = lines.findIndex((l) => l.message.id === selected);
    if (at < 0) at = lines.indexOf(document.activeElement);
    const line = lines[Math.min(Math.max(at + step, 0), lines.length - 1)];
    line.focus({ preventScroll: true });
    line.scrollIntoView({ block: "nearest" });
    if (selected !== null) open(line.message.id);
    return true;
  }

  async function openTrace(trace) {
    const found = await attempt(get("request", { trace }));
    if (found) open(found.id);
  }

  return {
    node, frame, key, follows: true,
    started() {
      field.watch();
      drawPresets();
      drawNote();
      if (params.id) open(Number(params.id));
      else if (params.trace) openTrace(params.trace);
    },
    end() {
      field.end();
      detail.hide();
    },
  };
}
