// The page knows nothing that the API does not tell it.

const $ = (id) => document.getElementById(id);

// call sends a request and returns the data of the response. It shows the reason
// if the request is refused.
async function call(method, path, data) {
  const response = await fetch(path, {
    method,
    headers: data ? { "Content-Type": "application/json" } : {},
    body: data && JSON.stringify(data),
  });
  const text = await response.text();
  const problem = response.ok ? "" : text.startsWith("{") ? JSON.parse(text).error : response.statusText;
  $("problem").textContent = problem;
  $("problem").hidden = !problem;
  if (response.status === 401) await start(); // the session has ended
  return response.ok && text ? JSON.parse(text) : undefined;
}

async function start() {
  const { user } = await call("GET", "/session");
  $("user").textContent = user ?? "";
  $("enter").hidden = Boolean(user);
  for (const id of ["leave", "add", "notes"]) $(id).hidden = !user;
  if (user) await draw();
}

async function draw() {
  const notes = await call("GET", "/notes");
  if (!notes) return;
  const empty = Object.assign(document.createElement("li"), { className: "empty", textContent: "No notes yet." });
  $("notes").replaceChildren(...(notes.length ? notes.map(item).reverse() : [empty]));
}

function item(note) {
  const node = document.createElement("li");
  const text = Object.assign(document.createElement("span"), { textContent: note.text });
  const remove = Object.assign(document.createElement("button"), { textContent: "✕", title: "Delete", ariaLabel: "Delete" });
  remove.onclick = async () => { await call("DELETE", "/notes/" + note.id); await draw(); };
  node.append(text, remove);
  return node;
}

$("enter").onsubmit = async (submit) => {
  submit.preventDefault();
  const data = Object.fromEntries(new FormData($("enter")));
  if (await call("POST", submit.submitter.value, data)) {
    $("enter").reset();
    await start();
  }
};

$("add").onsubmit = async (submit) => {
  submit.preventDefault();
  if (await call("POST", "/notes", Object.fromEntries(new FormData($("add"))))) {
    $("add").reset();
    await draw();
  }
};

$("leave").onclick = async () => { await call("DELETE", "/session"); await start(); };

start();
