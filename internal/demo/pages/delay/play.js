import { button, request, watcher } from "/assets/play.js";

const post = async (path) => {
  await watcher("/");
  await request("POST", path);
};

export default [
  button("Remind me in three seconds", () => post("/remind")),
  button("Try a job until it works", () => post("/stubborn")),
];
