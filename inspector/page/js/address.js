// Where this browser finds the application, which may not be where the server
// that shows the page says: that knows itself by another name.

const loopback = (host) => /^(127\.[\d.]+|\[::1\]|(.+\.)?localhost)$/.test(host);

// reached answers the application's address for a page of that host. One that
// listens on every address is called localhost by the server.
export function reached(app, host = location.hostname) {
  if (!/^https?:/.test(app) || loopback(host)) return app;
  const url = new URL(app);
  if (url.hostname === "localhost") url.hostname = host;
  return url.origin;
}

// unopened says why a handshake there may have failed, which a browser does
// not tell.
export function unopened(app, page = location) {
  const { hostname } = new URL(app);
  const near = loopback(page.hostname);
  const refused = "the application refused it, which Connections has under Closed lately, or it is not there";
  if (near && loopback(hostname)) return `The handshake failed: ${refused}.`;
  if (loopback(hostname)) return `The handshake failed: the application listens on ${hostname} only, which is not where this page is from. With --bind 0.0.0.0 it listens on every address.`;
  return `The handshake failed. A page of ${page.origin} is let in where asgibox is run with --allow-origin ${page.origin}, or *. If it is, ${refused}.`;
}
