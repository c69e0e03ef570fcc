import { button, field, request } from "/assets/play.js";

const news = field("News", "it rains");
export default [
  button("Count down", () => request("GET", "/countdown", { pieces: true })),
  button("Wait for news", () => request("GET", "/next", { announce: true })),
  news,
  button("Tell", () => request("POST", "/tell", { body: news.value })),
];
