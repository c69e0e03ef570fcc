// The page always has one request open. Its response is the whole board.

const $ = (id) => document.getElementById(id);
let seen = ""; // the newest notice on the page; without it, the server replies at once

function item({ text, at }) {
  const node = document.createElement("li");
  const when = document.createElement("time");
  when.textContent = new Date(at * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  node.append(text, when);
  return node;
}

function draw(board) {
  seen = board.at(-1)?.id ?? 0;
  const empty = Object.assign(document.createElement("li"), { className: "empty", textContent: "No notices yet." });
  $("board").replaceChildren(...(board.length ? board.map(item).reverse() : [empty]));
}

function status(text, open) {
  $("status").textContent = text;
  $("status").classList.toggle("open", open);
}

async function listen() {
  let pause = 250; // milliseconds before the next attempt after an error
  for (;;) {
    try {
      const response = await fetch("/notices?seen=" + seen);
      if (!response.ok) throw new Error(response.status);
      draw(await response.json());
      status("waiting for news", true);
      pause = 250;
    } catch {
      status("reconnecting", false);
      seen = "";
      await new Promise((resume) => setTimeout(resume, pause));
      pause = Math.min(pause * 2, 5000);
    }
  }
}

$("post").onsubmit = async (submit) => {
  submit.preventDefault();
  const response = await fetch("/notices", { method: "POST", body: new URLSearchParams(new FormData($("post"))) });
  if (response.ok) $("post").reset();
  else status(await response.text(), true);
};

listen();
