// Package guard decides who may use the control server. Its port can do
// anything to a running application, so a page of some other site, open in the
// same browser, must not reach it.
//
// Without a token only this machine may ask, under a loopback name: a name
// that somebody else's DNS resolves to 127.0.0.1 is refused. With a token every
// request needs it. Either way a request that a browser makes for another
// origin's page is refused.
package guard

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// cookieName is where a browser keeps the token that it was opened with.
const cookieName = "asgibox_control"

// Options of a guard. The zero value lets in this machine only.
type Options struct {
	// Token, if not empty, is what every request must carry, as
	// "Authorization: Bearer …" or as the cookie that opening the page with
	// ?token=… sets.
	Token string
	// Open lists paths that need no token, from allowed hosts and origins:
	// /healthz, which says nothing.
	Open []string
}

// NewToken makes a token that nobody can guess.
func NewToken() string { return rand.Text() }

// Loopback reports whether only this machine can reach an address that is
// listened on.
func Loopback(a net.Addr) bool {
	if a.Network() == "unix" {
		return true
	}
	at, err := netip.ParseAddrPort(a.String())
	return err == nil && at.Addr().Unmap().IsLoopback()
}

// Handler lets the allowed requests through to next and answers the rest:
// 403 Forbidden, or 401 Unauthorized where a token is lacking.
func Handler(next http.Handler, o Options) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if reason := o.forbids(r); reason != "" {
			refuse(w, http.StatusForbidden, "Forbidden", reason)
			return
		}
		if o.Token == "" || o.open(r.URL.Path) || o.hasToken(r) {
			next.ServeHTTP(w, r)
			return
		}
		if r.Method == http.MethodGet && same(r.URL.Query().Get("token"), o.Token) {
			o.admit(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="asgibox"`)
		refuse(w, http.StatusUnauthorized, "Unauthorized", "this server wants the token that it printed at start: Authorization: Bearer TOKEN, or open it with ?token=TOKEN; commands take it with the address, as --token or from ASGIBOX_TOKEN")
	})
}

// forbids answers why a request is refused whatever token it carries, or "".
func (o Options) forbids(r *http.Request) string {
	if o.Token == "" {
		if !loopbackPeer(r.RemoteAddr) {
			return "without a token only this machine may ask"
		}
		if !loopbackName(hostname(r.Host)) {
			return "the host " + r.Host + " is not a loopback name; use localhost or 127.0.0.1"
		}
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" && r.Header.Get("Sec-Fetch-Mode") != "navigate" {
		return "a page of another site asked for it"
	}
	if origins := r.Header.Values("Origin"); len(origins) > 1 || len(origins) == 1 && !ownOrigin(origins[0], r) {
		return "the origin " + strings.Join(origins, ", ") + " is not this server's own"
	}
	return ""
}

func (o Options) open(path string) bool {
	for _, p := range o.Open {
		if p == path {
			return true
		}
	}
	return false
}

func (o Options) hasToken(r *http.Request) bool {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return same(strings.TrimSpace(token), o.Token)
	}
	cookie, err := r.Cookie(cookieName)
	return err == nil && same(cookie.Value, o.Token)
}

// admit gives a browser the token as a cookie, so that it stands in no address
// bar, and sends it on.
func (o Options) admit(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: o.Token, Path: "/",
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	})
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Location", "/")
	w.WriteHeader(http.StatusSeeOther)
}

func same(got, want string) bool {
	return subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1
}

// ownOrigin reports whether a page of this very server asks: same name and
// port, or any loopback name with the port.
func ownOrigin(origin string, r *http.Request) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return false
	}
	if strings.EqualFold(u.Host, r.Host) {
		return true
	}
	return loopbackName(u.Hostname()) && loopbackName(hostname(r.Host)) && u.Port() == port(r.Host)
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

func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}

func port(host string) string {
	_, port, err := net.SplitHostPort(host)
	if err != nil {
		return ""
	}
	return port
}

func refuse(w http.ResponseWriter, status int, kind, detail string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": kind, "detail": detail})
}
