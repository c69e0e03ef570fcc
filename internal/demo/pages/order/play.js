import { button, say, socket } from "/assets/play.js";

// tenFrames sends the numbers 1 to 10 and compares the order of the replies.
async function tenFrames(path) {
  const s = socket(path);
  await s.opened;
  const began = performance.now(), got = [];
  const all = Array.from({ length: 10 }, (_, i) => String(i + 1));
  for (const n of all) s.send(n);
  while (got.length < all.length) got.push(await s.next());
  const took = ((performance.now() - began) / 1000).toFixed(1);
  say(`${path}: ${got.join(" ")}: ${got.join() === all.join() ? "in order" : "not in order"}, ${took} s`, "good");
  s.close();
}

export default [
  button("Ten frames, in order", () => tenFrames("/ordered")),
  button("Ten frames with ordered=False", () => tenFrames("/unordered")),
  button("Two ordered sockets at once", () => Promise.all([tenFrames("/ordered"), tenFrames("/ordered")])),
];
