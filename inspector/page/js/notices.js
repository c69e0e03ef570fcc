// What every view has to say: the server is lost, the application does not
// load, chaos is on, channels are paused.
import { h, number, time } from "./dom.js";

export class Notices {
  constructor(box) {
    this.box = box;
    this.shown = "";
  }

  // draw changes the page only if there is something else to say: a screen
  // reader reads what changes.
  draw(status, lost) {
    const list = [];
    if (lost) {
      list.push({ kind: "bad", text: lost.why
        ? `The server refuses to be looked at: ${lost.why}. It is asked again every second.`
        : `No connection to the server since ${time(lost.since)}. What is shown is from then. It is tried again every second; is asgibox still running?` });
    }
    if (status.error) {
      const goes = status.generation ? `Generation ${status.generation} goes on.` : "Every request gets the error page.";
      list.push({ kind: "bad", text: `The application does not load: ${status.error.split("\n")[0]}. ${goes}`, href: "#/reloads", link: "Show the source" });
    }
    if (status.chaos) list.push({ kind: "warn", text: "chaos is on: " + status.chaos.join(" · "), href: "#/channels", link: "Change it" });
    if (status.paused) list.push({ kind: "warn", text: number(status.paused) + (status.paused === 1 ? " channel is paused" : " channels are paused"), href: "#/channels", link: "Show" });
    const shape = JSON.stringify(list);
    if (shape === this.shown) return;
    this.shown = shape;
    this.box.replaceChildren(...list.map((n) =>
      h("p", { class: "notice " + n.kind }, h("span", {}, n.text), n.href && h("a", { href: n.href }, n.link))));
  }
}
