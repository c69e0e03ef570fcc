import { button, request, watcher } from "/assets/play.js";

async function order(count) {
  await watcher("/");
  await Promise.all(Array.from({ length: count }, () => request("POST", "/order")));
}

export default [
  button("Order one", () => order(1)),
  button("Order ten", () => order(10)),
];
