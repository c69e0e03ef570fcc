import { button, request } from "/assets/play.js";

export default [
  button("Ask", () => request("GET", "/ask", { announce: true })),
  button("Answer", () => request("GET", "/answer")),
];
