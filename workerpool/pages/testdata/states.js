// Runs page.js as an open page that gets many states, and measures the memory.
const states = 50_000, perState = 20; // bytes
let count = 0, before = 0;

const used = () => { gc(); return process.memoryUsage().heapUsed; };

globalThis.window = {}; // its top is another one, so that the page shows nothing
globalThis.document = { currentScript: { src: "http://localhost/__asgibox__/page.js", dataset: { version: "" } } };
globalThis.VERSION = "";
globalThis.BroadcastChannel = undefined;
globalThis.setTimeout = (done) => setImmediate(done);
globalThis.fetch = async () => {
  if (++count === 1000) before = used();
  if (count === states) {
    const grown = (used() - before) / (states - 1000);
    if (grown > perState) console.error(`an open page keeps ${Math.round(grown)} bytes for each state`);
    process.exit(grown > perState ? 1 : 0);
  }
  return { ok: true, json: async () => ({ seen: String(count), version: "" }) };
};

eval(require("fs").readFileSync("page.js", "utf8"));
