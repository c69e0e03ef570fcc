// Live tables that are sorted by a column and used with the keyboard. On narrow
// pages each row is a card.
import { h, updateChildren, setText, time, stepOf } from "./dom.js";

export class Table {
  // columns are { title, about, of, text or nodes with shape, class, label }:
  // "of" returns the value to sort by, "about" explains the column, "text"
  // returns a cell's text; "nodes" returns its nodes, which are replaced if the
  // result of "shape" changes. keyOf returns an item's key. open is called on
  // Enter and, unless byKeyOnly is set, on a click.
  constructor({ columns, keyOf, open, empty, name = "", by = 0, down = false, byKeyOnly = false }) {
    Object.assign(this, { columns, keyOf, open, empty, byKeyOnly });
    this.chosen = "";
    this.body = h("tbody");
    this.heads = columns.map((c, i) => h("th", { scope: "col", title: c.about, class: c.class },
      c.of ? h("button", { class: "sort", title: (c.about ? c.about + ". " : "") + "Sort by this column", onclick: () => this.sort(i, this.by === i ? !this.down : c.down) }, c.title) : c.title));
    this.node = h("table", { class: "list cards " + name }, h("thead", {}, h("tr", {}, this.heads)), this.body);
    const sorts = columns.map((c, i) => (c.of ? [i, c] : null)).filter(Boolean);
    this.sorter = h("select", { class: "sorter", "aria-label": "Sort by", onchange: () => this.sort(Number(this.sorter.value), columns[this.sorter.value].down) },
      sorts.map(([i, c]) => h("option", { value: i }, "By " + c.title.toLowerCase())));
    this.sort(by, down);
  }

  sort(by, down) {
    this.by = by;
    this.down = Boolean(down);
    this.heads.forEach((head, i) => {
      if (i === by) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    this.sorter.value = by;
    this.places = null;
    if (this.items) this.draw(this.items); // nothing to draw before the first frame
  }

  clear() {
    this.items = null;
    this.body.entries = null;
    this.body.replaceChildren();
  }

  draw(items) {
    this.items = items;
    const sorted = [...items].sort((a, b) => this.before(a, b));
    this.places = new Map(sorted.map((item, i) => [this.keyOf(item), i]));
    updateChildren(this.body, sorted, this.keyOf, (item) => this.row(item), (row, item) => this.drawRow(row, item));
    if (!items.length) this.body.replaceChildren(h("tr", {}, h("td", { colSpan: this.columns.length, class: "muted empty" }, typeof this.empty === "function" ? this.empty() : this.empty)));
    this.mark();
  }

  // before compares two items. While the pointer or the focus is on a row, rows
  // stay where they are.
  before(a, b) {
    const { of } = this.columns[this.by];
    const [x, y] = [this.keyOf(a), this.keyOf(b)];
    const frozen = this.places && this.body.matches(":hover, :focus-within");
    if (frozen && (this.places.has(x) || this.places.has(y))) return (this.places.get(x) ?? Infinity) - (this.places.get(y) ?? Infinity);
    return (this.down ? compare(of(b), of(a)) : compare(of(a), of(b))) || compare(x, y);
  }

  row(item) {
    const row = h("tr", { tabIndex: -1 }, this.columns.map((c) => h("td", { class: c.class, "data-label": c.label ?? c.title })));
    row.key = this.keyOf(item);
    const open = () => this.open?.(row.key, row.item);
    row.addEventListener("keydown", (e) => { if (e.key === "Enter" && e.target === row) open(); });
    if (!this.byKeyOnly) row.addEventListener("click", (e) => { if (!e.target.closest("a, button, input")) open(); });
    row.addEventListener("focus", () => { this.at = row.key; this.mark(); });
    return row;
  }

  drawRow(row, item) {
    row.item = item;
    this.columns.forEach((c, i) => {
      const cell = row.children[i];
      if (c.text) return setText(cell, c.text(item));
      const shape = JSON.stringify(c.shape(item));
      if (cell.shape !== shape) cell.replaceChildren(h("div", {}, c.nodes(item)));
      cell.shape = shape;
    });
  }

  // choose marks the open item.
  choose(key) {
    this.chosen = key;
    if (key) this.at = key;
    this.mark();
  }

  // mark makes Tab stop at only one row, because there may be hundreds.
  mark() {
    const rows = [...this.body.children].filter((row) => row.key !== undefined);
    const stop = rows.find((row) => row.key === this.at) || rows[0];
    for (const row of rows) {
      const chosen = row.key === this.chosen;
      if (row.classList.contains("selected") !== chosen) row.classList.toggle("selected", chosen);
      const at = row === stop ? 0 : -1;
      if (row.tabIndex !== at) row.tabIndex = at;
    }
  }

  // key moves the focus along the rows and reports whether the key did so.
  key(e) {
    const step = stepOf(e);
    const rows = [...this.body.children].filter((row) => row.key !== undefined);
    if (!step || !rows.length) return false;
    const inside = rows.indexOf(document.activeElement?.closest("tr"));
    const from = inside >= 0 ? inside : rows.findIndex((row) => row.key === this.chosen);
    const to = from < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, from + step));
    rows[to].focus();
    return true;
  }

  // focus moves the focus to a row.
  focus(key) { this.body.entries?.get(key)?.node.focus(); }
}

function compare(a, b) {
  if (typeof a === "string") return a.localeCompare(b);
  return a - b;
}

// nameFilter returns a field for a part of a name. It calls draw at once and
// watch a moment later, to request matching items that the page does not have.
export function nameFilter(value, draw, watch) {
  let timer;
  return h("input", { type: "search", placeholder: "Part of a name", "aria-label": "Filter by name", value, oninput: (e) => {
    draw(e.target.value);
    clearTimeout(timer);
    timer = setTimeout(() => e.target.isConnected && watch(), 250);
  } });
}

// since describes the start of the totals.
export const since = (status) => (status.since ? "since " + time(status.since) : "since the server started");
