// Chaos: messages lost, delayed and reordered on purpose, by rules as --chaos
// takes them. The first rule that fits a channel counts.
import { h, setText, took, ask, toast } from "./dom.js";
import { attempt, get, post, refused } from "./api.js";

// patternOf answers the rule's pattern that stands for one line of the list.
const patternOf = (name) => (name.endsWith("!") ? name + "*" : name);

const isFor = (pattern) => (rule) => rule.slice(0, rule.indexOf(":")) === pattern;

const units = { h: 3600000, m: 60000, s: 1000, ms: 1, "µs": 0.001, ns: 0.000001 };

function milliseconds(span) {
  const longest = span.split("..").pop();
  return [...longest.matchAll(/([\d.]+)(h|ms|m|s|µs|ns)/g)].reduce((sum, [, n, unit]) => sum + n * units[unit], 0);
}

function read(rule) {
  const values = { drop: 0, delay: 0, reorder: 0 };
  for (const action of (rule || "").slice((rule || "").indexOf(":") + 1).split(",")) {
    const [name, value] = action.split("=");
    if (name in values && value) values[name] = name === "delay" ? milliseconds(value) : parseFloat(value);
  }
  return values;
}

function write(pattern, v) {
  const actions = [v.drop && `drop=${v.drop}%`, v.delay && `delay=${v.delay}ms`, v.reorder && `reorder=${v.reorder}%`].filter(Boolean);
  return actions.length ? [pattern + ":" + actions.join(",")] : [];
}

function fits(rule, name) {
  const pattern = rule.slice(0, rule.indexOf(":"));
  const expression = pattern.split("*").map((part) => part.replace(/[^\w]/g, "\\$&")).join(".*");
  return new RegExp(`^${expression}$`).test(name.endsWith("!") ? name + "*" : name);
}

// ruleOf answers the rule that counts on a channel, if one does.
export const ruleOf = (rules, name) => rules.find((rule) => fits(rule, name));

export const setRules = (rules, said) => attempt(post("chaos", { rules }), said);

export const allOff = () => setRules([], "No chaos any more");

export async function editRules() {
  const now = await attempt(get("chaos"));
  if (!now) return;
  let rules;
  const v = await ask("Chaos", [{ name: "rules", label: "A rule a line, like websocket.*:drop=1%,delay=50ms..200ms,reorder=5%; none is no chaos", value: now.rules.join("\n"), rows: 6 }], "From now on", false,
    (v) => refused(post("chaos", { rules: v.rules.split("\n").map((r) => r.trim()).filter(Boolean) }).then((answer) => { rules = answer.rules; })));
  if (v && rules) toast(rules.join(" · ") || "No chaos");
}

const sliders = [
  ["drop", "Drop", 100, 1, (n) => n + " %"], ["delay", "Delay", 2000, 10, (n) => (n ? took(n) : "0 ms")], ["reorder", "Reorder", 100, 1, (n) => n + " %"],
];

// chaosSliders makes the sliders of one channel. They set its rule while they
// move; a rule for it stands before those with wider patterns.
export function chaosSliders(name) {
  const pattern = patternOf(name);
  let rules = [];
  let sending = false;
  let again = false;
  let moved = 0; // when one last was: what the server said before is old
  const why = h("span", { class: "warn" });
  const inputs = {}, outputs = {};
  const node = h("details", { class: "chaos" }, h("summary", {}, "Chaos ", why),
    sliders.map(([key, label, most, step, words]) => {
      inputs[key] = h("input", { type: "range", min: 0, max: most, step, value: 0, name: key, oninput: () => { setText(outputs[key], words(Number(inputs[key].value))); send(); } });
      outputs[key] = h("output", {}, words(0));
      return h("label", {}, h("span", {}, label), inputs[key], outputs[key]);
    }),
    h("p", { class: "muted" }, "For what is sent to this channel from now on."));

  async function send() {
    moved = Date.now();
    if (sending) {
      again = true;
      return;
    }
    sending = true;
    do {
      again = false;
      const values = Object.fromEntries(sliders.map(([key]) => [key, Number(inputs[key].value)]));
      const answer = await setRules([...write(pattern, values), ...rules.filter((rule) => !isFor(pattern)(rule))]);
      if (answer) rules = answer.rules;
    } while (again);
    sending = false;
  }

  function draw(now) {
    if (sending || Date.now() - moved < 1500) return;
    rules = now;
    const rule = ruleOf(rules, name);
    setText(why, rule ? "is on: " + rule : "");
    const values = read(rules.find(isFor(pattern)));
    for (const [key, , most, , words] of sliders) {
      inputs[key].max = Math.max(most, values[key]);
      if (document.activeElement !== inputs[key] || Number(inputs[key].value) !== values[key]) inputs[key].value = values[key];
      setText(outputs[key], words(values[key]));
    }
    if (rule && !node.drawn) node.open = true;
    node.drawn = true;
  }

  return { node, draw };
}
