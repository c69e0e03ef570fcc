// Chaos: messages lost, delayed and reordered on purpose, by rules as --chaos
// takes them. The first rule that fits a channel counts.
import { h, setText, took, ask, toast } from "./dom.js";
import { attempt, get, post, refused } from "./api.js";

// patternOf answers the rule's pattern that stands for one line of the list.
const patternOf = (name) => (name.endsWith("!") ? name + "*" : name);

const patternIn = (rule) => rule.slice(0, rule.indexOf(":"));

const units = { h: 3600000, m: 60000, s: 1000, ms: 1, "µs": 0.001, ns: 0.000001 };

const milliseconds = (time) => [...time.matchAll(/([\d.]+)(h|ms|m|s|µs|ns)/g)].reduce((sum, [, n, unit]) => sum + n * units[unit], 0);

// amount is the most that an action's value stands for.
const amount = (key, value) => (key === "delay" ? milliseconds(value.split("..").pop()) : parseFloat(value));

// read answers what a rule does, as it is written: { delay: "50ms..200ms" }.
function read(rule = "") {
  const actions = rule.slice(rule.indexOf(":") + 1).split(",").map((action) => action.split("="));
  return Object.fromEntries(actions.filter(([key, value]) => value && amount(key, value)));
}

// write answers a rule. One that does nothing is needed where a wider one
// would count without it.
function write(pattern, does) {
  return pattern + ":" + (Object.entries(does).map(([key, value]) => key + "=" + value).join(",") || "drop=0%");
}

function fits(rule, name) {
  const expression = patternIn(rule).split("*").map((part) => part.replace(/[^\w]/g, "\\$&")).join(".*");
  return new RegExp(`^${expression}$`).test(name.endsWith("!") ? name + "*" : name);
}

const counts = (rules, name) => rules.find((rule) => fits(rule, name));

// ruleOf answers the rule that counts on a channel, if it does anything.
export function ruleOf(rules, name) {
  const rule = counts(rules, name);
  return Object.keys(read(rule)).length ? rule : undefined;
}

const setRules = (rules, said) => attempt(post("chaos", { rules }), said);

export const allOff = () => setRules([], "No chaos any more");

export async function editRules() {
  const now = await attempt(get("chaos"));
  if (!now) return;
  let rules;
  const v = await ask("Chaos", [{ name: "rules", label: "A rule a line, like websocket.*:drop=1%,delay=50ms..200ms,reorder=5%; none is no chaos", value: now.rules.join("\n"), rows: 6 }], "From now on", false,
    (v) => refused(post("chaos", { rules: v.rules.split("\n").map((r) => r.trim()).filter(Boolean) }).then((answer) => { rules = answer.rules; })));
  if (v && rules) toast(rules.join(" · ") || "No chaos");
}

const sliders = [["drop", "Drop", 100, 1, "%"], ["delay", "Delay", 2000, 10, "ms"], ["reorder", "Reorder", 100, 1, "%"]];

// words says what a rule has of an action: "1 %", "50–200 ms".
function words(key, value) {
  if (!value) return key === "delay" ? "0 ms" : "0 %";
  if (key !== "delay") return parseFloat(value) + " %";
  const [least, most] = value.split("..").map(milliseconds);
  if (most === undefined) return took(least);
  const unit = /^[\d.]+( \S+)$/.exec(took(most))?.[1]; // said once, if both have it
  const from = least ? took(least) : "0" + (unit ?? " s");
  return (unit && from.endsWith(unit) ? from.slice(0, -unit.length) + "–" : from + " – ") + took(most);
}

// chaosSliders makes the sliders of one channel. They begin at the rule that
// counts for it, and set its own while they move, which stands before those
// with wider patterns. What is not moved stays as it is written.
export function chaosSliders(name) {
  const pattern = patternOf(name);
  let rules = [];
  let does = {}; // what the rule that counts does
  let sending = false;
  let again = false;
  let moved = 0; // when one last was: what the server said before is old
  const why = h("span", { class: "warn" });
  const inputs = {}, outputs = {};
  const node = h("details", { class: "chaos" }, h("summary", {}, "Chaos ", why),
    sliders.map(([key, label, most, step, unit]) => {
      inputs[key] = h("input", { type: "range", min: 0, max: most, step, value: 0, name: key, oninput: () => move(key, inputs[key].value + unit) });
      outputs[key] = h("output", {}, words(key));
      return h("label", {}, h("span", {}, label), inputs[key], outputs[key]);
    }),
    h("p", { class: "muted" }, "For what is sent to this channel from now on."));

  function move(key, value) {
    if (amount(key, value)) does[key] = value;
    else delete does[key];
    setText(outputs[key], words(key, does[key]));
    send();
  }

  async function send() {
    moved = Date.now();
    if (sending) {
      again = true;
      return;
    }
    sending = true;
    do {
      again = false;
      const others = rules.filter((rule) => patternIn(rule) !== pattern);
      const own = Object.keys(does).length || counts(others, name) ? [write(pattern, does)] : [];
      const answer = await setRules([...own, ...others]);
      if (answer) rules = answer.rules;
    } while (again);
    sending = false;
  }

  function draw(now) {
    if (sending || Date.now() - moved < 1500) return;
    rules = now;
    const rule = counts(rules, name);
    does = read(rule);
    const on = Object.keys(does).length > 0;
    setText(why, rule ? (on ? "is on: " : "is off: ") + rule : "");
    for (const [key, , most] of sliders) {
      const value = does[key] ? amount(key, does[key]) : 0;
      inputs[key].max = Math.max(most, value);
      if (document.activeElement !== inputs[key] || Number(inputs[key].value) !== value) inputs[key].value = value;
      setText(outputs[key], words(key, does[key]));
    }
    if (on && !node.drawn) node.open = true;
    node.drawn = true;
  }

  return { node, draw };
}
