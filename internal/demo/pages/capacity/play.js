import { button, meter, request, say, socket } from "/assets/play.js";

const frames = 300, frame = "x".repeat(64 << 10);
const waiting = meter("Waiting in the browser", frames * frame.length, (n) => (n / (1 << 20)).toFixed(1) + " MiB");

async function fill() {
  const s = socket("/", undefined, { quiet: true });
  await s.opened;
  const began = performance.now();
  let most = 0;
  for (let i = 0; i < frames; i++) s.send(frame, { quiet: true });
  for (let handled = 0; handled < frames; handled++) {
    most = Math.max(most, s.buffered());
    waiting.set(s.buffered());
    await s.next();
  }
  waiting.set(0);
  say(`all ${frames} frames were handled in ${((performance.now() - began) / 1000).toFixed(1)} s; up to ${(most / (1 << 20)).toFixed(1)} MiB waited in the browser`, "good");
  s.close();
}

export default [
  button("Send eight requests at once", () => Promise.all(Array.from({ length: 8 }, () => request("GET", "/slow", { brief: true })))),
  button("Fill a socket", fill),
  waiting,
];
