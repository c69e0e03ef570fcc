// HTTP and WebSocket clients for applications without a front end. The browser
// stores their history.
import { h } from "../dom.js";
import { requestCard } from "../requests.js";
import { socketCard } from "../sockets.js";

export function play(shell) {
  return { node: h("div", { class: "play" }, requestCard(shell), socketCard(shell)) };
}
