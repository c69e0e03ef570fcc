// A vote is a POST. Results, of this browser's votes too, arrive over the WebSocket.

const $ = (id) => document.getElementById(id);
const buttons = [...document.querySelectorAll("#poll button")];
let shown = -1; // the number of the results on the page
let pause = 250; // milliseconds before the next attempt to connect

function show({ number, totals }) {
  if (number < shown) return;
  shown = number;
  const sum = Object.values(totals).reduce((a, b) => a + b, 0);
  for (const button of buttons) {
    const votes = totals[button.value] ?? 0;
    button.querySelector(".votes").textContent = votes;
    button.style.setProperty("--share", (sum ? 100 * votes / sum : 0) + "%");
  }
  $("total").textContent = sum === 1 ? "1 vote" : `${sum.toLocaleString()} votes`;
}

$("poll").onsubmit = async (submit) => {
  submit.preventDefault();
  const chosen = submit.submitter;
  const response = await fetch("/vote", { method: "POST", body: new URLSearchParams({ choice: chosen.value }) });
  if (!response.ok) return location.reload(); // the choices have changed
  for (const button of buttons) button.ariaPressed = String(button === chosen);
};

function status(text, open) {
  $("status").textContent = text;
  $("status").classList.toggle("open", open);
}

function connect() {
  const url = new URL("/results", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url);
  socket.onopen = () => { pause = 250; shown = -1; status("live", true); };
  socket.onmessage = (frame) => show(JSON.parse(frame.data));
  socket.onclose = () => {
    status("reconnecting", false);
    setTimeout(connect, pause);
    pause = Math.min(pause * 2, 5000);
  };
}

connect();
