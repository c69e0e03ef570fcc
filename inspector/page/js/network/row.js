// One request or WebSocket in words.
import { h, setText, bytes, clock, duration, number, time } from "../dom.js";

const states = {
  waiting: "waits for a worker", running: "in its handler", held: "held", left: "client left",
};

export const over = (r) => ["done", "left", "refused", "closed"].includes(r.state);

// statusOf returns what the column Status shows, and its colour.
export function statusOf(r) {
  if (r.socket) {
    if (r.state === "closed") return [`closed ${r.status || ""}`, r.status >= 1002 && r.status !== 1005 ? "s5" : "muted"];
    if (r.state === "refused") return [`refused ${r.status || ""}`, "s4"];
    return [r.state, r.state === "open" ? "s2" : "warn"];
  }
  if (r.state === "streaming") return [`${r.status} …`, "s" + Math.floor(r.status / 100)];
  if (r.state !== "done") return [states[r.state] || r.state, r.state === "left" ? "muted" : "warn"];
  return [String(r.status), "s" + Math.floor(r.status / 100)];
}

export const sizeOf = (r) => (r.socket ? `${number(r.framesIn || 0)} in, ${number(r.parts)} out` : over(r) || r.parts ? bytes(r.bytesOut) : "");

// tookOf returns how long a request took, or has taken until now.
export const tookOf = (r, now) => duration(over(r) ? r.durationMs || 0 : Math.max(0, now - r.started));

export const columns = [["Time", "time"], ["Method", "method"], ["Path", "address"], ["Status", "state"], ["Type", "type"], ["Handler", "handler"], ["Size", "size"], ["Took", "took"]];

// row makes a row for requests. It calls open with the number of its request.
export function row(open) {
  const line = h("tr", { tabIndex: 0, onclick: () => open(line.message.id), onkeydown: (e) => { if (e.key === "Enter") open(line.message.id); } },
    columns.map(([, c]) => h("td", { class: c })));
  return line;
}

// draw shows a request in a row.
export function draw(line, r, selected, now) {
  const [at, method, path, state, type, handler, size, took] = line.children;
  line.dataset.id = r.id;
  setText(at, time(r.started));
  at.title = clock(r.started);
  setText(method, r.socket ? "WS" : r.method);
  setText(path, r.path || "(not a valid request)");
  path.title = r.path;
  const [text, colour] = statusOf(r);
  setText(state, text);
  state.className = "state " + (r.failed ? "s5" : colour);
  state.title = r.why || "";
  setText(type, r.socket ? "WebSocket" : r.type || "");
  setText(handler, r.handler || "");
  handler.title = r.handler || "";
  setText(size, sizeOf(r));
  setText(took, tookOf(r, now));
  line.classList.toggle("selected", r.id === selected);
  line.classList.toggle("failed", Boolean(r.failed));
  line.classList.toggle("ongoing", !over(r));
}
