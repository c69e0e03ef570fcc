// Reloads the page when the application changes. Only one tab waits for the
// server; it notifies the others.
(function () {
  if (window.__asgiboxLive) return;
  window.__asgiboxLive = true;
  var seen = VERSION;
  var others = "BroadcastChannel" in window ? new BroadcastChannel("asgibox-live") : null;
  function changed() { location.reload(); }
  if (others) others.onmessage = changed;
  function ask() {
    return fetch("/__asgibox__/change?seen=" + encodeURIComponent(seen), {cache: "no-store"})
      .then(function (r) {
        if (!r.ok) throw r.status;
        return r.text();
      })
      .then(function (now) {
        if (now === seen) return ask();
        if (others) others.postMessage(now);
        changed();
      }, function () {
        return new Promise(function (again) { setTimeout(again, 1000); }).then(ask);
      });
  }
  if (others && navigator.locks) navigator.locks.request("asgibox-live", ask);
  else ask();
})();
