// Charts of the last five minutes, with one point per second.
import uPlot from "../vendor/uPlot.js";
import { h, colorOf } from "./dom.js";

const seconds = 300;

const clockOf = (t) => new Date(t * 1000).toTimeString().slice(0, 8);

export class Chart {
  // lines: [{ label, key, color, of }], where color is the name of a CSS
  // variable. If a point has no value for the key "of", the legend shows a dash.
  constructor(title, note, lines, format) {
    this.lines = lines;
    this.format = format;
    this.points = [];
    this.box = h("div", { class: "plot" });
    this.now = h("span", { class: "now" });
    this.node = h("figure", { class: "card chart", title: "Gauges: one point per second over the last five minutes" },
      h("figcaption", {}, h("strong", {}, title), h("span", { class: "muted" }, note), this.now), this.box);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.box);
  }

  draw() {
    const grid = { stroke: colorOf("--line"), width: 1 };
    this.plot?.destroy();
    this.plot = new uPlot({
      width: this.box.clientWidth, height: this.box.clientHeight, legend: { show: false },
      cursor: { drag: { x: false, y: false }, points: { size: 6 } },
      // An axis for a few points would have no length.
      scales: { x: { time: true, range: (u, min, max) => [Math.min(min, max - 20), max] }, y: { range: (u, min, max) => [0, Math.max(max * 1.15, 1)] } },
      axes: [
        { stroke: colorOf("--muted"), grid: { show: false }, ticks: { show: false }, font: "11px system-ui", size: 26, space: 90, values: (u, times) => times.map(clockOf) },
        { stroke: colorOf("--muted"), grid, ticks: { show: false }, font: "11px system-ui", size: 54, values: (u, values) => values.map(this.format) },
      ],
      series: [{}, ...this.lines.map((l) => ({ label: l.label, stroke: colorOf(l.color), width: 1.6, fill: l.fill ? colorOf(l.fill) : undefined, points: { show: false } }))],
      hooks: { setCursor: [(u) => this.showValues(u.cursor.idx)] },
    }, this.data(), this.box);
  }

  data() {
    return [this.points.map((p) => p.t), ...this.lines.map((l) => this.points.map((p) => p[l.key]))];
  }

  add(points) {
    if (!points?.length) return;
    this.points = this.points.concat(points).slice(-seconds);
    if (!this.plot) this.draw();
    else this.plot.setData(this.data());
    this.showValues(null);
  }

  showValues(index) {
    const p = this.points[index ?? this.points.length - 1];
    if (!p) return;
    this.now.replaceChildren(...this.lines.map((l) =>
      h("span", { class: "key" }, h("i", { class: "dot " + l.color.slice(2) }), l.label + " ", h("b", {}, l.of && !p[l.of] ? "–" : this.format(p[l.key])))));
  }

  resize() {
    if (this.plot && this.box.clientWidth) this.plot.setSize({ width: this.box.clientWidth, height: this.box.clientHeight });
    else if (this.box.clientWidth && this.points.length) this.draw();
  }

  destroy() {
    this.observer.disconnect();
    this.plot?.destroy();
  }
}
