import { button, request, socket } from "/assets/play.js";

export default [
  button("Accept", () => socket("/accept")),
  button("Deny", () => socket("/deny")),
  button("Accept, then close with 4001", () => socket("/close")),
  button("No reply for 5 seconds", () => socket("/ignore")),
  button("Which code did the application see?", () => request("GET", "/last")),
];
