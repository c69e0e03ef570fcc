import { button, grid, say, sleep, text, watcher } from "/assets/play.js";

const arrived = grid(20);

async function send(path, enough) {
  arrived.clear();
  await watcher("/", (n) => arrived.mark(Number(n)));
  await text("POST", path);
  for (let waited = 0; waited < 2000 || (enough && arrived.marked() < 20 && waited < 30000); waited += 100) await sleep(100);
  say(`${arrived.marked()} of 20 have arrived`, "good");
}

export default [
  button("Send twenty numbers", () => send("/once")),
  button("Send them with an outbox", () => send("/surely", true)),
  arrived,
];
