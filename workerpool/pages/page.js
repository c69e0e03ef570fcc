// Shows errors of a load on the page while the old application continues, and
// reloads the page when the application changes, if that is asked for. Only one
// tab waits for the server; it notifies the others.
(function () {
  if (window.__asgibox) return;
  window.__asgibox = true;
  var script = document.currentScript;
  var stateURL = new URL("state", script.src).href;
  var version = script.dataset.version || VERSION; // "" if the page must not reload
  var seen = "";
  var others = "BroadcastChannel" in window ? new BroadcastChannel("asgibox-page") : null;

  function pause(ms) { return new Promise(function (done) { setTimeout(done, ms); }); }

  // update shows a state and reports whether the page stays.
  function update(state) {
    if (version && state.version !== version) { location.reload(); return false; }
    if (window.top === window) show(state.error);
    return true;
  }

  function fetchState(seen) {
    return fetch(stateURL + "?seen=" + encodeURIComponent(seen), {cache: "no-store"}).then(function (r) {
      if (!r.ok) throw r.status;
      return r.json();
    });
  }

  // ask waits for the next state, again and again. It is a loop, because promises
  // that wait for each other would use more memory with each state.
  async function ask() {
    for (;;) {
      var before = seen, state = await fetchState(before).catch(function () {});
      seen = state ? state.seen : ""; // without a state, the server may be another one
      if (state && others && seen !== before) others.postMessage(state);
      if (state && !update(state)) return;
      await pause(state && seen !== before ? 0 : 1000);
    }
  }

  var host = null, shown = "", hidden = "";

  // show shows an error, or removes the last one.
  function show(error) {
    var text = error ? error.title + "\n" + error.text : "";
    if (text === shown) return;
    shown = text;
    if (host) host.remove();
    host = null;
    if (!error) hidden = ""; // the same error may come again
    if (!error || text === hidden) return;
    host = document.createElement("asgibox-error");
    var root = host.attachShadow({mode: "open"});
    var sheet = new CSSStyleSheet(); // allowed by every Content-Security-Policy
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [sheet];
    var box = make("section", "", root), head = make("header", "", box);
    box.setAttribute("role", "alert");
    make("b", error.title, head);
    var hide = make("button", "Hide", head);
    hide.onclick = function () { hidden = text; host.remove(); };
    make("pre", error.text, box).tabIndex = 0;
    (document.body || document.documentElement).append(host);
  }

  function make(name, text, parent) {
    var e = document.createElement(name);
    e.textContent = text;
    parent.append(e);
    return e;
  }

  var css = [
    ":host { all: initial; }",
    "section { position: fixed; z-index: 2147483647; right: 12px; bottom: 12px; left: 12px; max-width: 46rem; max-height: 60vh;",
    "  margin-left: auto; display: flex; flex-direction: column; box-sizing: border-box; border: 1px solid #b42318;",
    "  border-left-width: 6px; border-radius: 8px; background: #fff; color: #1d2330; box-shadow: 0 6px 30px #0005; font: 14px/1.5 system-ui, sans-serif; }",
    "header { display: flex; gap: 12px; align-items: start; padding: 8px 12px; border-bottom: 1px solid #e4e1d8; }",
    "b { flex: 1; color: #b42318; overflow-wrap: anywhere; }",
    "button { font: inherit; padding: 1px 10px; border: 1px solid currentColor; border-radius: 6px; background: none; color: inherit; cursor: pointer; }",
    "pre { margin: 0; padding: 8px 12px; overflow: auto; font: 13px/1.5 ui-monospace, monospace; tab-size: 4; white-space: pre-wrap; overflow-wrap: anywhere; }",
    "@media (prefers-color-scheme: dark) {",
    "  section { background: #1e2127; color: #e8e6e1; border-color: #ff8577; } header { border-color: #333842; } b { color: #ff8577; } }",
    "@media print { section { display: none; } }",
  ].join("\n");

  function start() {
    if (others) others.onmessage = function (e) { update(e.data); };
    if (!others || !navigator.locks) { ask(); return; }
    fetchState("").then(update, function () {});
    navigator.locks.request("asgibox-page", ask);
  }
  // An error page waits, so that a page whose server disagrees about the version
  // does not reload all the time.
  if (script.dataset.version) setTimeout(start, 1000); else start();
})();
