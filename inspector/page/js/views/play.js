// Clients in the page, so that a prototype needs no front end yet. What is
// written is kept in this browser.
import { h } from "../dom.js";
import { requestCard } from "../requests.js";
import { socketCard } from "../sockets.js";

export function play(shell) {
  return { node: h("div", { class: "play" }, requestCard(shell), socketCard(shell)) };
}
