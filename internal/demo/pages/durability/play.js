import { button, kill, request, say, sleep, socket, table, text } from "/assets/play.js";

const results = table(["", "before", "after", ""]);
const report = async () => JSON.parse(await text("GET", "/report"));

async function begin() {
  await text("POST", "/forget");
  await request("POST", "/begin");
  await socket("/").opened;
}

async function end() {
  if (!(await report()).waiting) await begin();
  while ((await report()).started.length < 2) await sleep(200); // one job is done and one runs
  const then = await report();
  await kill();
  say("The new server reads its store, and the jobs go on.");
  let now = await report();
  const restarted = now;
  while (now.waiting || now.done.length < now.started.length - 1 || now.alarms < 1) {
    await sleep(300);
    now = await report();
  }
  const lost = now.started.filter((n) => !now.done.includes(n));
  results.show([
    ["jobs queued (state)", then.queued, now.queued, now.queued === then.queued ? "survived" : "lost"],
    ["waiting jobs", then.waiting, "all done: " + (now.done.length - then.done.length), now.done.length + lost.length === now.queued ? "survived" : "lost"],
    ["a delayed alarm", then.alarms ? "rang" : "waiting", "rang", "survived"],
    ["the job that ran", lost.length ? "job " + lost : "none", lost.length ? "gone" : "–", "not promised"],
    ["open sockets", then.sockets, restarted.sockets, "not promised"],
  ]);
  say("the report is complete", "good");
}

export default [
  button("Queue five jobs, set an alarm, open a socket", begin),
  button("Kill the server with SIGKILL", end, "danger"),
  results,
];
