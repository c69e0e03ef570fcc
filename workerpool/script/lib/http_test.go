package lib

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.starlark.net/starlark"
)

// echo returns a server that responds with the request.
func echo(t testing.TB) *httptest.Server {
	t.Helper()
	stop := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Add("X-Twice", "1")
		w.Header().Add("X-Twice", "2")
		switch r.URL.Path {
		case "/json":
			io.WriteString(w, `{"a": [1]}`)
		case "/missing":
			http.NotFound(w, r)
		case "/redirect":
			http.Redirect(w, r, "/landed", http.StatusFound)
		case "/large":
			io.WriteString(w, strings.Repeat("x", 2000))
		case "/headers":
			w.Header().Set("X-Long", strings.Repeat("x", maxHeaders))
		case "/switch": // and never close the connection
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "other")
			w.WriteHeader(http.StatusSwitchingProtocols)
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			<-stop
			conn.Close()
		case "/silent":
			select {
			case <-r.Context().Done():
			case <-stop:
			}
		default:
			fmt.Fprintf(w, "%s %s %s %s %s %s", r.Method, r.URL, r.Host, r.Header.Get("Content-Type"), r.Header.Get("X-A"), body)
		}
	}))
	t.Cleanup(func() { close(stop); s.Close() })
	return s
}

// ask runs a call of http on the server.
func ask(ctx context.Context, s *httptest.Server, call string) (starlark.Value, error) {
	return run(ctx, Options{}, fmt.Sprintf("url = %q\nx = %s\n", s.URL, call))
}

func TestHTTPCalls(t *testing.T) {
	s := echo(t)
	host := strings.TrimPrefix(s.URL, "http://")
	for call, want := range map[string]string{
		`http.get(url + "/x").text`: `"GET /x ` + host + `   "`,
		`http.get(url + "/x?a=1", params={"b": "c d"}, headers={"X-A": "h"}).text`: `"GET /x?a=1&b=c+d ` + host + `  h "`,
		`http.get(url, headers={"Host": "other"}).text`:                            `"GET / other   "`,
		`http.post(url, body="text").text`:                                         `"POST / ` + host + `   text"`,
		`http.post(url, body=b"\xff").body[-1:]`:                                   `b"\xff"`,
		`http.post(url, json={"a": None}).text`:                                    `"POST / ` + host + ` application/json  {\"a\":null}"`,
		`http.post(url, form={"a": "b c"}).text`:                                   `"POST / ` + host + ` application/x-www-form-urlencoded  a=b+c"`,
		`http.request("put", url, body="b", headers={"Content-Type": "a/b"}).text`: `"PUT / ` + host + ` a/b  b"`,
		`http.get(url + "/json").json()`:                                           `{"a": [1]}`,
		`http.get(url + "/missing").status`:                                        `404`,
		`(http.get(url + "/redirect").url, http.get(url + "/redirect").status)`:    `("` + s.URL + `/landed", 200)`,
		`http.get(url).headers["x-twice"], http.get(url).headers.get("X-TWICE")`:   `("1, 2", "1, 2")`,
		`http.get(url).headers.get("no"), "X-Twice" in http.get(url).headers`:      `(None, True)`,
		`[n for n in http.get(url + "/json").headers if n.startswith("x")]`:        `["x-twice"]`,
		`len(http.get(url + "/large", max_size=2000).body)`:                        `2000`,
		`http.get(url + "/switch").status, http.get(url + "/switch").text`:         `(101, "")`,
	} {
		if got, err := ask(t.Context(), s, call); err != nil || got.String() != want {
			t.Errorf("%s: got %v, %v, want %s", call, got, err, want)
		}
	}
}

func TestHTTPCallsThatFail(t *testing.T) {
	s := echo(t)
	for _, c := range [][3]string{
		{`http.get("ftp://example.org/")`, "is not a valid web URL", "https://"},
		{`http.get("/path")`, "is not a valid web URL", ""},
		{`http.get("http://a b/")`, "is not a valid web URL", ""},
		{`http.get("http://127.0.0.1:1/")`, "http.get: the request to 127.0.0.1:1 failed: ", "attempt(http.get, url)"},
		{`http.get(url + "/large", max_size=1999)`, "is longer than 1999 bytes", "max_size"},
		{`http.get(url + "/headers")`, "the headers of the response of 127.0.0.1", ""},
		{`http.get(url + "/silent", timeout=0.01)`, "did not respond within 10ms", "timeout=seconds"},
		{`http.get(url, timeout="1")`, "is not a valid time", ""},
		{`http.get(url, headers={"a": "b\nc"})`, "contains a line end", ""},
		{`http.get(url, headers=[1])`, "headers is a list; it must be a dict", ""},
		{`http.post(url, body={})`, "the body is a dict", "json=data"},
		{`http.post(url, body="a", json=1)`, "one of body, json and form", ""},
		{`http.get(url).json()`, "is not JSON", "response.text"},
		{`http.request("a b", url)`, `"a b" is not a method like GET`, ""},
		{`http.get(url, body="x")`, "unexpected keyword argument", ""},
	} {
		_, err := ask(t.Context(), s, c[0])
		if err == nil || !strings.Contains(err.Error(), c[1]) || !strings.Contains(hint(err), c[2]) {
			t.Errorf("%s: got %v, hint %q", c[0], err, hint(err))
		}
	}
}

func TestHTTPEndsWithItsContext(t *testing.T) {
	s := echo(t)
	why := errors.New("the handler ran too long")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := ask(ctx, s, `http.get(url + "/silent")`); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}
