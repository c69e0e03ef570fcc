// Package guard restricts access to the control server. The control server has
// full control over the application, so pages of other sites in the same browser
// must not reach it.
//
// Without a token, requests must come from this machine and use a loopback name
// as host: other names are refused even if DNS resolves them to 127.0.0.1. With
// a token, every request needs the token. In both cases, requests that a browser
// makes for pages of other origins are refused, except that they may link to the
// page itself.
package guard

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Options of a guard. The zero value allows requests from this machine only.
type Options struct {
	// Token, if not empty, is required in every request, as "Authorization:
	// Bearer …" or as a cookie. Opening the page with ?token=… sets the
	// cookie.
	Token string
	// Accepts, if not nil, reports whether "Authorization: Bearer …" has a token
	// that is as good as Token.
	Accepts func(token string) bool
	// Open lists paths that need no token, like /healthz. Host and origin
	// must be allowed for them too.
	Open []string
}

// NewToken returns a new random token.
func NewToken() string { return rand.Text() }

// Loopback reports whether a listener's address can be reached from this machine
// only.
func Loopback(a net.Addr) bool { return a.Network() == "unix" || loopbackPeer(a.String()) }

// Handler passes allowed requests to next. It replies to other requests with 403
// Forbidden, or with 401 Unauthorized if the token is missing or wrong.
func Handler(next http.Handler, o Options) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if reason := o.forbids(r); reason != "" {
			refuse(w, http.StatusForbidden, "Forbidden", reason)
			return
		}
		if o.Token == "" || slices.Contains(o.Open, r.URL.Path) || o.hasToken(r) {
			next.ServeHTTP(w, r)
			return
		}
		if r.Method == http.MethodGet && same(r.URL.Query().Get("token"), o.Token) {
			o.setCookie(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="asgibox"`)
		refuse(w, http.StatusUnauthorized, "Unauthorized", "missing or wrong token; send the token that the server printed at start as Authorization: Bearer TOKEN, or open the page with ?token=TOKEN; commands take it in the address, from --token or from ASGIBOX_TOKEN")
	})
}

// forbids returns the reason for which a request is refused regardless of its
// token, or "".
func (o Options) forbids(r *http.Request) string {
	if o.Token == "" {
		if !loopbackPeer(r.RemoteAddr) {
			return "without a token, only requests from this machine are allowed"
		}
		if !LoopbackHost(r.Host) {
			return "the host " + r.Host + " is not a loopback name; use localhost or 127.0.0.1"
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site": // another site, or another port of this host
		if !opensPage(r) {
			return "requests from pages of other sites are not allowed"
		}
	}
	if origins := r.Header.Values("Origin"); len(origins) > 1 || len(origins) == 1 && !ownOrigin(origins[0], r) {
		return "the origin " + strings.Join(origins, ", ") + " is not that of this server"
	}
	return ""
}

// opensPage reports whether a request is that of a browser's tab that opens the
// control server's page, for example by a link.
func opensPage(r *http.Request) bool {
	return r.URL.Path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

func (o Options) hasToken(r *http.Request) bool {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimSpace(token)
		return same(token, o.Token) || o.Accepts != nil && o.Accepts(token)
	}
	cookie, err := r.Cookie(cookieOf(r))
	return err == nil && same(cookie.Value, o.Token) && ownPage(r)
}

// ownPage reports whether a request with the cookie comes from a page of this server, or
// is for a path without effects. A browser sends the cookie to all ports of a host. If it
// sends Sec-Fetch-Site, forbids has checked that. It does not over plain HTTP to another
// machine.
func ownPage(r *http.Request) bool {
	effect := strings.HasPrefix(r.URL.Path, "/api/") || strings.HasPrefix(r.URL.Path, "/debug/")
	if !effect || r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != "" {
		return true
	}
	return ownOrigin(r.Referer(), r)
}

// setCookie sets the token as a cookie and redirects to /, so that the token
// disappears from the browser's address bar.
func (o Options) setCookie(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieOf(r), Value: o.Token, Path: "/",
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	})
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Location", "/")
	w.WriteHeader(http.StatusSeeOther)
}

func same(got, want string) bool {
	return subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1
}

// ownOrigin reports whether an origin is that of this server: the same name and
// port, or loopback names for both and the same port.
func ownOrigin(origin string, r *http.Request) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return false
	}
	if strings.EqualFold(u.Host, r.Host) {
		return true
	}
	return loopbackName(u.Hostname()) && LoopbackHost(r.Host) && u.Port() == port(r.Host)
}

func loopbackPeer(remote string) bool {
	if remote == "" || remote == "@" { // a Unix socket
		return true
	}
	at, err := netip.ParseAddrPort(remote)
	return err == nil && at.Addr().Unmap().IsLoopback()
}

func loopbackName(name string) bool {
	if strings.EqualFold(name, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Unmap().IsLoopback()
}

// LoopbackHost reports whether a Host header has a loopback name, which no page of
// another site can have.
func LoopbackHost(host string) bool { return loopbackName(hostname(host)) }

func hostname(host string) string {
	if name, port, err := net.SplitHostPort(host); err == nil && isPort(port) {
		return name
	}
	return strings.Trim(host, "[]")
}

func port(host string) string {
	_, port, err := net.SplitHostPort(host)
	if err != nil || !isPort(port) {
		return ""
	}
	return port
}

func isPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

func refuse(w http.ResponseWriter, status int, kind, detail string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": kind, "detail": detail})
}
