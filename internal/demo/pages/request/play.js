import { button, request } from "/assets/play.js";

const headers = ["content-type", "x-handled-by"]; // of the response, to show
export default [
  button("GET with a query", () => request("GET", "/rooms/blue?name=ann&page=2", { show: headers })),
  button("POST a form", () => request("POST", "/sign-up", { body: new URLSearchParams({ name: "ann", likes: "tea" }), show: headers })),
  button("PUT with a header", () => request("PUT", "/notes/7", { body: "a note", headers: { "X-Mood": "curious" }, show: headers })),
];
