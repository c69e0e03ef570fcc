package demo

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"asgibox/internal/devserver"
)

// newTestTour returns a tour whose applications are in a temporary folder.
func newTestTour(t *testing.T, c config) *tour {
	t.Helper()
	c.Folder, c.URL = t.TempDir(), "http://127.0.0.1:8000"
	parse := func([]string) (devserver.Options, error) { return devserver.DefaultOptions(), nil }
	all := newStacks(c, parse, io.Discard)
	t.Cleanup(func() {
		if err := all.stop(); err != nil {
			t.Error(err)
		}
	})
	tour, err := newTour(c, all)
	if err != nil {
		t.Fatal(err)
	}
	return tour
}

// call makes a request from this machine.
func call(h http.Handler, method, url, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, url, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:1234"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// edits are the calls that change something. A call of /kill would end the test.
var edits = []string{"/edit/groups/save", "/edit/groups/reset", "/kill"}

func TestEditsAreGuarded(t *testing.T) {
	tour := newTestTour(t, config{})
	for _, path := range append(edits, "/inspector/groups/api/flush") {
		for name, headers := range map[string][]string{
			"another origin": {"Origin", "http://evil.example"},
			"another port":   {"Origin", "http://127.0.0.1:9999"},
			"another site":   {"Sec-Fetch-Site", "cross-site"},
		} {
			if w := call(tour, "POST", "http://127.0.0.1:8000"+path, "", headers...); w.Code != http.StatusForbidden {
				t.Errorf("%s from %s: %d %s", path, name, w.Code, w.Body)
			}
		}
		if w := call(tour, "POST", "http://evil.example:8000"+path, ""); w.Code != http.StatusForbidden {
			t.Errorf("%s for another host: %d %s", path, w.Code, w.Body)
		}
	}
	w := call(tour, "POST", "http://127.0.0.1:8000/edit/groups/save", "x = 1\nchannel_routing = []\n", "Origin", "http://127.0.0.1:8000")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"generation"`) {
		t.Errorf("an edit of the tour itself: %d %s", w.Code, w.Body)
	}
}

func TestApplicationsRefuseOtherSites(t *testing.T) {
	tour := newTestTour(t, config{})
	for _, headers := range [][]string{
		{"Origin", "http://evil.example"},
		{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"},
	} {
		if w := call(tour, "POST", "http://127.0.0.1:8000/app/streaming/tell", "<script>", headers...); w.Code != http.StatusForbidden {
			t.Errorf("%q: %d %s", headers, w.Code, w.Body)
		}
	}
}

func TestAPublicTourIsReadOnly(t *testing.T) {
	tour := newTestTour(t, config{Token: "secret", ReadOnly: true})
	for _, path := range edits {
		w := call(tour, "POST", "http://tour.example"+path, "", "Authorization", "Bearer secret")
		if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "--allow-edit") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	w := call(tour, "GET", "http://tour.example/groups", "", "Authorization", "Bearer secret")
	if w.Code != http.StatusOK || strings.Contains(w.Body.String(), `id="save"`) {
		t.Errorf("%d, with a button that saves: %s", w.Code, w.Body)
	}
}

func TestAPublicTourNeedsItsToken(t *testing.T) {
	tour := newTestTour(t, config{Token: "secret"})
	server := httptest.NewServer(tour)
	t.Cleanup(server.Close)
	status := func(method, path string, headers ...string) int {
		r := httptest.NewRequest(method, server.URL+path, nil)
		r.RequestURI = ""
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		w.Body.Close()
		return w.StatusCode
	}
	paths := []string{
		"GET /", "GET /groups", "GET /app/groups/red", "POST /app/groups/shout", "GET /download/groups.zip", "GET /server", "GET /assets/tour.css",
		"GET /inspector/groups/", "POST /inspector/groups/api/flush", "GET /?token=wrong",
	}
	for _, path := range edits {
		paths = append(paths, "POST "+path)
	}
	handshake := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}
	for _, line := range paths {
		method, path, _ := strings.Cut(line, " ")
		if got := status(method, path); got != http.StatusUnauthorized {
			t.Errorf("%s: %d", line, got)
		}
		if got := status(method, path, "Upgrade", "x"); got != http.StatusUnauthorized {
			t.Errorf("%s with Upgrade: %d", line, got)
		}
		if got := status(method, path, handshake...); got != http.StatusUnauthorized {
			t.Errorf("%s with a handshake: %d", line, got)
		}
	}

	w := call(tour, "GET", server.URL+"/?token=secret", "")
	cookie, _, _ := strings.Cut(w.Header().Get("Set-Cookie"), ";")
	if w.Code != http.StatusSeeOther || cookie == "" {
		t.Fatalf("the token: %d %v", w.Code, w.Header())
	}
	for line, want := range map[string]int{
		"GET /": 200, "GET /?token=secret": 303, "GET /download/groups.zip": 200, "POST /app/groups/shout": 200, "POST /edit/groups/reset": 200,
	} {
		method, path, _ := strings.Cut(line, " ")
		if got := status(method, path, "Cookie", cookie); got != want {
			t.Errorf("%s with the cookie: %d, want %d", line, got, want)
		}
	}
	if got := status("GET", "/app/groups/red", append(handshake, "Cookie", cookie, "Origin", server.URL)...); got != http.StatusSwitchingProtocols {
		t.Errorf("a handshake with the cookie: %d", got)
	}
}

func TestALongApplicationIsRefused(t *testing.T) {
	tour := newTestTour(t, config{})
	w := call(tour, "POST", "http://127.0.0.1:8000/edit/groups/save", strings.Repeat("#", maxSource+1))
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if got, err := tour.stacks.source(pageNamed("groups")); err != nil || got != pageNamed("groups").original {
		t.Errorf("%v: the application has changed: %.80s", err, got)
	}
}

func TestAnUnknownPageIsNotFound(t *testing.T) {
	tour := newTestTour(t, config{})
	for _, path := range []string{"/nowhere", "/download/nowhere.zip", "/app/nowhere/", "/inspector/nowhere/", "/pages/../demo.go"} {
		if w := call(tour, "GET", "http://127.0.0.1:8000"+path, ""); w.Code != http.StatusNotFound && w.Code != http.StatusTemporaryRedirect {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}
