// The calls that led to an error, with their source and their variables.
import { h } from "./dom.js";

// stackNode shows the parts of an error, each with its calls, innermost last.
export function stackNode(parts) {
  return h("div", { class: "stack" }, parts.map((p, i) => [
    i > 0 && h("h4", {}, p.text),
    p.hint && h("p", { class: "hint" }, p.hint),
    ...shown(p.frames || [], p.omitted),
  ].filter(Boolean)).flat());
}

// shown returns nodes of the calls. Those in the middle of a deep stack are only
// counted.
function shown(frames, omitted) {
  const nodes = frames.map((f) => frameNode(f, f === frames[frames.length - 1]));
  if (omitted) nodes.splice(frames.length / 2, 0, h("p", { class: "muted omitted" }, `… ${omitted} more calls …`));
  return nodes;
}

function frameNode(f, last) {
  const place = f.file + (f.line ? `:${f.line}` + (f.col ? `:${f.col}` : "") : "");
  return h("section", { class: "frame-card" },
    h("header", {}, h("span", {}, h("code", {}, place), f.func && h("span", { class: "muted" }, ` in ${f.func}`)), editorLink(f)),
    f.source?.length && h("div", { class: "code", tabIndex: 0, role: "group", "aria-label": "Source" }, f.source.map((line) => sourceLine(line, f))),
    f.locals?.length && h("details", { open: last }, h("summary", {}, "Variables"),
      h("table", { class: "locals" }, h("tbody", {}, f.locals.map((v) => h("tr", {}, h("th", { scope: "row" }, v.name), h("td", {}, v.value)))))));
}

// editorLink opens the place of a call in the editor that the server was told.
export function editorLink(f, title = "Open in editor") {
  return f?.editor && h("a", { class: "editor", href: f.editor, title: `${f.file}:${f.line}` }, title);
}

function sourceLine(line, f) {
  const number = h("span", { class: "number", "aria-hidden": "true" }, String(line.number));
  if (line.number !== f.line) return h("pre", { class: "source" }, number, line.text || " ");
  const at = f.col ? [...line.text].slice(0, f.col - 1).join("").length : line.text.length;
  const word = /^(\w+|.)?/su.exec(line.text.slice(at))[0];
  return h("pre", { class: "culprit" }, number, h("span", {}, line.text.slice(0, at), word && h("u", {}, word), line.text.slice(at + word.length)));
}
