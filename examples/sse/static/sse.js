// A browser connects an EventSource again by itself. After each connection the
// history comes first, and then one reading a second.

const $ = (id) => document.getElementById(id);
const KEEP = 60; // as in app.star
let readings = [];
const degrees = (tenths) => (tenths / 10).toFixed(1) + " °C";

function draw() {
  if (!readings.length) return;
  const values = readings.map((reading) => reading.tenths);
  const low = Math.min(...values), high = Math.max(...values);
  const x = (i) => 600 * (KEEP - values.length + i) / (KEEP - 1);
  const y = (tenths) => 190 - 180 * (tenths - low) / Math.max(high - low, 10);
  const line = values.map((tenths, i) => `${x(i)},${y(tenths)}`).join(" L");
  $("line").setAttribute("d", "M" + line);
  $("area").setAttribute("d", `M${x(0)},200 L${line} L600,200 Z`);
  $("now").textContent = degrees(values.at(-1));
  $("range").textContent = `the last minute: ${degrees(low)} to ${degrees(high)}`;
}

// add adds readings. One may come twice, and a live one may overtake the history.
function add(...items) {
  const byId = new Map([...readings, ...items].map((reading) => [reading.id, reading]));
  readings = [...byId.values()].sort((a, b) => a.id - b.id).slice(-KEEP);
  draw();
}

function status(text, open) {
  $("status").textContent = text;
  $("status").classList.toggle("open", open);
}

const source = new EventSource("/readings");
source.onopen = () => { readings = []; status("live", true); };
source.onerror = () => status("reconnecting", false);
source.addEventListener("history", (event) => add(...JSON.parse(event.data)));
source.addEventListener("reading", (event) => add(JSON.parse(event.data)));
