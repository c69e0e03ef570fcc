// Chaos: messages dropped, delayed and reordered on purpose. Rules have the
// syntax of --chaos. The first rule that matches a channel applies.
import { h, setText, duration, ask, toast } from "./dom.js";
import { attempt, get, post, errorOf } from "./api.js";

// patternOf returns the pattern of a rule for one line of the list of channels.
const patternOf = (name) => (name.endsWith("!") ? name + "*" : name);

const patternIn = (rule) => rule.slice(0, rule.indexOf(":"));

const units = { h: 3600000, m: 60000, s: 1000, ms: 1, "µs": 0.001, ns: 0.000001 };

const milliseconds = (time) => [...time.matchAll(/([\d.]+)(h|ms|m|s|µs|ns)/g)].reduce((sum, [, n, unit]) => sum + n * units[unit], 0);

// amount returns the largest number of an action's value.
const amount = (key, value) => (key === "delay" ? milliseconds(value.split("..").pop()) : parseFloat(value));

// actionsOf returns the actions of a rule, like { delay: "50ms..200ms" }.
function actionsOf(rule = "") {
  const actions = rule.slice(rule.indexOf(":") + 1).split(",").map((action) => action.split("="));
  return Object.fromEntries(actions.filter(([key, value]) => value && amount(key, value)));
}

// formatRule returns a rule. A rule without actions becomes drop=0%, which keeps
// rules with wider patterns from applying.
function formatRule(pattern, actions) {
  return pattern + ":" + (Object.entries(actions).map(([key, value]) => key + "=" + value).join(",") || "drop=0%");
}

function matches(rule, name) {
  const expression = patternIn(rule).split("*").map((part) => part.replace(/[^\w]/g, "\\$&")).join(".*");
  return new RegExp(`^${expression}$`).test(name.endsWith("!") ? name + "*" : name);
}

const ruleFor = (rules, name) => rules.find((rule) => matches(rule, name));

// ruleOf returns the rule that applies to a channel, if it has actions.
export function ruleOf(rules, name) {
  const rule = ruleFor(rules, name);
  return Object.keys(actionsOf(rule)).length ? rule : undefined;
}

const setRules = (rules, message) => attempt(post("chaos", { rules }), message);

export const allOff = () => setRules([], "Chaos is off");

export async function editRules() {
  const now = await attempt(get("chaos"));
  if (!now) return;
  let rules;
  const v = await ask("Chaos", [{ name: "rules", label: "One rule per line, like websocket.*:drop=1%,delay=50ms..200ms,reorder=5%. No rules turn chaos off", value: now.rules.join("\n"), rows: 6 }], "Apply", false,
    (v) => errorOf(post("chaos", { rules: v.rules.split("\n").map((r) => r.trim()).filter(Boolean) }).then((result) => { rules = result.rules; })));
  if (v && rules) toast(rules.join(" · ") || "Chaos is off");
}

const sliders = [["drop", "Drop", 100, 1, "%"], ["delay", "Delay", 2000, 10, "ms"], ["reorder", "Reorder", 100, 1, "%"]];

// describe formats the value of an action: "1 %", "50–200 ms".
function describe(key, value) {
  if (!value) return key === "delay" ? "0 ms" : "0 %";
  if (key !== "delay") return parseFloat(value) + " %";
  const [least, most] = value.split("..").map(milliseconds);
  if (most === undefined) return duration(least);
  const unit = /^[\d.]+( \S+)$/.exec(duration(most))?.[1]; // shown once if both have it
  const from = least ? duration(least) : "0" + (unit ?? " s");
  return (unit && from.endsWith(unit) ? from.slice(0, -unit.length) + "–" : from + " – ") + duration(most);
}

// chaosSliders returns the sliders of one channel. They start at the rule that
// applies to it. When one moves, the channel gets its own rule, placed before
// rules with wider patterns. Actions that are not moved stay as written.
export function chaosSliders(name) {
  const pattern = patternOf(name);
  let rules = [];
  let actions = {}; // of the rule that applies
  let sending = false;
  let again = false;
  let moved = 0; // time of the last move; earlier rules from the server are out of date
  const why = h("span", { class: "warn" });
  const inputs = {}, outputs = {};
  const node = h("details", { class: "chaos" }, h("summary", {}, "Chaos ", why),
    sliders.map(([key, label, most, step, unit]) => {
      inputs[key] = h("input", { type: "range", min: 0, max: most, step, value: 0, name: key, oninput: () => move(key, inputs[key].value + unit) });
      outputs[key] = h("output", {}, describe(key));
      return h("label", {}, h("span", {}, label), inputs[key], outputs[key]);
    }),
    h("p", { class: "muted" }, "Applies to messages sent to this channel from now on."));

  function move(key, value) {
    if (amount(key, value)) actions[key] = value;
    else delete actions[key];
    setText(outputs[key], describe(key, actions[key]));
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
      const own = Object.keys(actions).length || ruleFor(others, name) ? [formatRule(pattern, actions)] : [];
      const result = await setRules([...own, ...others]);
      if (result) rules = result.rules;
    } while (again);
    sending = false;
  }

  function draw(now) {
    if (sending || Date.now() - moved < 1500) return;
    rules = now;
    const rule = ruleFor(rules, name);
    actions = actionsOf(rule);
    const on = Object.keys(actions).length > 0;
    setText(why, rule ? (on ? "is on: " : "is off: ") + rule : "");
    for (const [key, , most] of sliders) {
      const value = actions[key] ? amount(key, actions[key]) : 0;
      inputs[key].max = Math.max(most, value);
      if (document.activeElement !== inputs[key] || Number(inputs[key].value) !== value) inputs[key].value = value;
      setText(outputs[key], describe(key, actions[key]));
    }
    if (on && !node.drawn) node.open = true;
    node.drawn = true;
  }

  return { node, draw };
}
