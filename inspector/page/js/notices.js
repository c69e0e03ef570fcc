// Notices on every view: no connection to the server, the application does not
// load, the layer is shared, chaos is on, channels are paused.
import { h, number, time } from "./dom.js";

export class Notices {
  constructor(box) {
    this.box = box;
    this.shown = "";
  }

  // draw changes the page only if the notices change, because a screen reader
  // reads every change.
  draw(status, lost) {
    const list = [];
    if (lost) {
      list.push({ kind: "bad", text: lost.why
        ? `The server refuses the connection: ${lost.why}. The page tries again every second.`
        : `No connection to the server since ${time(lost.since)}; the page shows the state of then and tries again every second. Is asgibox still running?` });
    }
    if (status.error) {
      const effect = status.generation ? `Generation ${status.generation} continues to run.` : "Every request gets the error page.";
      list.push({ kind: "bad", text: `The application does not load: ${status.error.split("\n")[0]}. ${effect}`, href: "#/errors" + (status.errors.load ? "?id=" + status.errors.load : ""), link: "Show the source" });
    }
    if (status.layer) list.push({ kind: "info", text: `The channel layer is ${status.layer}. Pausing, stepping, editing and recording messages need the embedded layer.`, href: "#/workers", link: "Machines" });
    if (status.chaos) list.push({ kind: "warn", text: "Chaos is on: " + status.chaos.join(" · "), href: "#/channels", link: "Change" });
    if (status.paused) list.push({ kind: "warn", text: number(status.paused) + (status.paused === 1 ? " channel is paused" : " channels are paused"), href: "#/channels", link: "Show" });
    const shape = JSON.stringify(list);
    if (shape === this.shown) return;
    this.shown = shape;
    this.box.replaceChildren(...list.map((n) =>
      h("p", { class: "notice " + n.kind }, h("span", {}, n.text), n.href && h("a", { href: n.href }, n.link))));
  }
}
