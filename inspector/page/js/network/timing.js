// The time of a request, divided into parts that follow each other.
import { h, duration } from "../dom.js";

const parts = [
  ["receivingMs", "receiving", "until the whole request, or the first part of a long body, had arrived"],
  ["waitingMs", "waiting for a worker", "in the channel, until a worker began its handler"],
  ["handlerMs", "handler", "until the handler had sent its response or had ended"],
  ["heldMs", "held", "after the handler had ended, until other work sent the response"],
  ["diskMs", "disk", "until data that the response depends on was on disk"],
  ["writingMs", "writing", "until the client's connection had accepted the response"],
];

// timingNode returns a bar with the parts, and their times.
export function timingNode(r) {
  if (!r.timing) return h("p", { class: "muted" }, "The application was not involved.");
  const shown = parts.map(([key, name, about]) => ({ key, name, about, ms: r.timing[key] })).filter((p) => p.ms > 0);
  const all = shown.reduce((n, p) => n + p.ms, 0) || 1;
  return h("div", { class: "timing" },
    h("div", { class: "timebar", "aria-hidden": "true" }, shown.map((p) => {
      const bar = h("i", { class: p.key, title: `${p.name}: ${duration(p.ms)}` });
      bar.style.flexGrow = p.ms / all;
      return bar;
    })),
    h("dl", {}, shown.map((p) => h("div", { title: p.about }, h("dt", {}, h("i", { class: p.key }), p.name), h("dd", {}, duration(p.ms))))));
}
