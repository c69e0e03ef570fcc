import { button, field, listen, request } from "/assets/play.js";

const news = field("Event", "it pours");
export default [
  button("Listen", () => listen("/events")),
  news,
  button("Tell", () => request("POST", "/tell", { body: news.value })),
];
