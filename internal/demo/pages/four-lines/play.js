import { button, request } from "/assets/play.js";

export default [
  button("Send a request", () => request("GET", "/")),
  button("Send five at once", () => Promise.all([1, 2, 3, 4, 5].map(() => request("GET", "/")))),
];
