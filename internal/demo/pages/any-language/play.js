import { button, request, say } from "/assets/play.js";

async function ask() {
  const response = await request("GET", "/ask?text=hello", { announce: true });
  if (!response.ok) throw new Error("no worker replied in time; ask again");
  say("A program in another language was the worker.", "good");
}

export default [button("Ask", ask, "waits")];
