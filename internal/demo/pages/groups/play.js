import { button, request, socket } from "/assets/play.js";

export default [
  button("Open two red and two blue sockets", () => Promise.all(["/red", "/red", "/blue", "/blue"].map((path) => socket(path, "hello").opened))),
  button("Open one more red socket", () => socket("/red", "hello").opened),
  button("Shout to both rooms with a request", () => request("POST", "/shout", { body: "tea is ready" })),
];
