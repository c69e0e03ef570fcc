// The address of the application as this browser reaches it. The server may
// know itself under another name.

const loopback = (host) => /^(127\.[\d.]+|\[::1\]|(.+\.)?localhost)$/.test(host);

// appURL returns the application's address for a page from that host. If the
// application listens on every address, the server calls it localhost.
export function appURL(app, host = location.hostname) {
  if (!/^https?:/.test(app) || loopback(host)) return app;
  const url = new URL(app);
  if (url.hostname === "localhost") url.hostname = host;
  return url.origin;
}

// handshakeError explains why a handshake may have failed. The browser does not
// give the reason.
export function handshakeError(app, page = location) {
  const { hostname } = new URL(app);
  const local = loopback(page.hostname);
  const refused = "the application refused it (see Recently closed in Connections) or is not running";
  if (local && loopback(hostname)) return `The handshake failed: ${refused}.`;
  if (loopback(hostname)) return `The handshake failed: the application listens only on ${hostname} and cannot be reached from here. Start asgibox with --bind 0.0.0.0 to listen on every address.`;
  return `The handshake failed. To accept pages from ${page.origin}, start asgibox with --allow-origin ${page.origin}. If you did, ${refused}.`;
}
