package guard

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func ask(t testing.TB, o Options, edit func(*http.Request)) *http.Response {
	t.Helper()
	r := httptest.NewRequest("GET", "http://127.0.0.1:8001/layer/", nil)
	r.RemoteAddr = "127.0.0.1:40000"
	if edit != nil {
		edit(r)
	}
	w := httptest.NewRecorder()
	Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}), o).ServeHTTP(w, r)
	return w.Result()
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func host(name string) func(*http.Request) {
	return func(r *http.Request) { r.Host = name }
}

func TestWithoutTokenOnlyLoopbackHostsAreAllowed(t *testing.T) {
	for name, want := range map[string]int{
		"127.0.0.1:8001": 200, "localhost:8001": 200, "LOCALHOST": 200, "[::1]:8001": 200, "127.9.9.9": 200,
		"evil.example:8001": 403, "localhost.evil.example": 403, "127.0.0.1.nip.io:8001": 403,
		"192.168.1.2:8001": 403, "": 403, "0.0.0.0:8001": 403, "127.0.0.1:8001.evil.example": 403, "localhost:": 403,
	} {
		if got := ask(t, Options{}, host(name)).StatusCode; got != want {
			t.Errorf("Host %q: %d, want %d", name, got, want)
		}
	}
}

func TestWithoutTokenOnlyThisMachineIsAllowed(t *testing.T) {
	for peer, want := range map[string]int{
		"127.0.0.1:5": 200, "[::1]:5": 200, "[::ffff:127.0.0.1]:5": 200, "@": 200,
		"192.168.1.2:5": 403, "junk": 403,
	} {
		got := ask(t, Options{}, func(r *http.Request) { r.RemoteAddr = peer }).StatusCode
		if got != want {
			t.Errorf("from %q: %d, want %d", peer, got, want)
		}
	}
}

func TestOtherOriginsAreRefused(t *testing.T) {
	for origin, want := range map[string]int{
		"http://127.0.0.1:8001": 200, "http://localhost:8001": 200, "http://[::1]:8001": 200,
		"http://localhost:8000": 403, "https://evil.example": 403, "null": 403, "http://localhost": 403,
		"file://127.0.0.1:8001": 403, "": 403,
	} {
		if got := ask(t, Options{}, header("Origin", origin)).StatusCode; got != want {
			t.Errorf("Origin %q: %d, want %d", origin, got, want)
		}
	}
}

func TestOtherOriginsAreRefusedEvenWithTheCookie(t *testing.T) {
	o := Options{Token: "secret"}
	got := ask(t, o, func(r *http.Request) {
		r.Host = "box.example:8001"
		r.AddCookie(&http.Cookie{Name: cookieOf(r), Value: "secret"})
		r.Header.Set("Origin", "https://evil.example")
	})
	if got.StatusCode != 403 {
		t.Fatalf("status %d, want 403", got.StatusCode)
	}
}

func TestOtherSitesReachOnlyThePage(t *testing.T) {
	for _, site := range []string{"cross-site", "same-site", "same-origin", "none"} {
		own := site == "same-origin" || site == "none"
		for _, path := range []string{"/", "/api/live", "/api/tail", "/debug/pprof/profile", "/debug/pprof/", "/metrics", "/healthz", "/layer/", "/style.css"} {
			for _, use := range []struct{ method, mode, dest string }{
				{"GET", "navigate", "document"}, {"GET", "navigate", "iframe"}, {"GET", "no-cors", "image"},
				{"GET", "cors", "empty"}, {"GET", "", ""}, {"POST", "navigate", "document"},
			} {
				want := 403
				if own || path == "/" && use.method == "GET" && use.dest == "document" {
					want = 200
				}
				got := ask(t, Options{}, func(r *http.Request) {
					r.Method, r.URL.Path = use.method, path
					r.Header.Set("Sec-Fetch-Site", site)
					r.Header.Set("Sec-Fetch-Mode", use.mode)
					r.Header.Set("Sec-Fetch-Dest", use.dest)
				}).StatusCode
				if got != want {
					t.Errorf("%s %s %s (%s, %s): %d, want %d", site, use.method, path, use.mode, use.dest, got, want)
				}
			}
		}
	}
}

// cookie edits a request so that it has the token in a cookie, and another header.
func cookie(path, name, value string) func(*http.Request) {
	return func(r *http.Request) {
		r.URL.Path = path
		r.Header.Set("Cookie", "asgibox_control_8001=secret")
		if name != "" {
			r.Header.Set(name, value)
		}
	}
}

func TestTokenIsRequired(t *testing.T) {
	o := Options{Token: "secret", Open: []string{"/healthz"}}
	for name, c := range map[string]struct {
		edit func(*http.Request)
		want int
	}{
		"none":                               {nil, 401},
		"wrong":                              {header("Authorization", "Bearer sesame"), 401},
		"right":                              {header("Authorization", "Bearer secret"), 200},
		"any case of the scheme":             {header("Authorization", "bearer secret"), 200},
		"basic":                              {header("Authorization", "Basic secret"), 401},
		"in a cookie, by the page":           {cookie("/api/live", "Referer", "http://box.example:8001/"), 200},
		"in a cookie, by a same-origin call": {cookie("/api/live", "Sec-Fetch-Site", "same-origin"), 200},
		"in a cookie, for the page":          {cookie("/", "", ""), 200},
		"in a cookie, by another port":       {cookie("/api/live", "Referer", "http://box.example:8002/"), 401},
		"in a cookie, by who knows whom":     {cookie("/api/live", "", ""), 401},
		"in that of another port":            {header("Cookie", "asgibox_control_8002=secret"), 401},
		"an open path":                       {func(r *http.Request) { r.URL.Path = "/healthz" }, 200},
	} {
		got := ask(t, o, func(r *http.Request) {
			r.Host = "box.example:8001"
			if c.edit != nil {
				c.edit(r)
			}
		})
		if got.StatusCode != c.want {
			t.Errorf("%s: %d, want %d", name, got.StatusCode, c.want)
		}
	}
}

func TestFurtherTokensAreAccepted(t *testing.T) {
	o := Options{Token: "secret", Accepts: func(token string) bool { return token == "of a worker" }}
	for header, want := range map[string]int{"Bearer secret": 200, "Bearer of a worker": 200, "Bearer other": 401, "Basic of a worker": 401, "": 401} {
		got := ask(t, o, func(r *http.Request) { r.Header.Set("Authorization", header) }).StatusCode
		if got != want {
			t.Errorf("%q: %d, want %d", header, got, want)
		}
	}
}

func TestTokenIsRemovedFromTheAddress(t *testing.T) {
	o := Options{Token: "secret"}
	got := ask(t, o, func(r *http.Request) {
		r.URL.RawQuery = "token=secret"
		r.Host = "box.example:8001"
	})
	if got.StatusCode != 303 || got.Header.Get("Location") != "/" {
		t.Fatalf("status %d to %q, want 303 to /", got.StatusCode, got.Header.Get("Location"))
	}
	cookie := got.Header.Get("Set-Cookie")
	if !strings.HasPrefix(cookie, "asgibox_control_8001=secret;") {
		t.Errorf("the cookie is %q", cookie)
	}
	if !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Strict") {
		t.Fatalf("other pages can read or send the cookie %q", cookie)
	}
}

func TestLoopback(t *testing.T) {
	for text, want := range map[string]bool{"127.0.0.1:1": true, "[::1]:1": true, "0.0.0.0:1": false, "10.0.0.1:1": false} {
		addr, err := net.ResolveTCPAddr("tcp", text)
		if err != nil {
			t.Fatal(err)
		}
		if got := Loopback(addr); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}
