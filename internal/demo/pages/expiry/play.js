import { button, request, say, sleep, text } from "/assets/play.js";

let watching = false;

// put sends a letter and says when the channel is empty again.
async function put() {
  await request("POST", "/put");
  if (watching) return;
  watching = true;
  while (!(await text("GET", "/look")).startsWith("0")) await sleep(500);
  watching = false;
  say("no letter is left", "good");
}

export default [
  button("Put a letter", () => { put(); }),
  button("Take a letter", () => request("POST", "/take")),
];
