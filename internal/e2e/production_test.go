package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

const failingApp = `
def page(request):
    secret = "hunter2"
    return nothing[secret]

nothing = {}

def bad_reply(message):
    message.reply_channel.send({"status": 200, "content": "x", "headers": [("a secret name", "x")]})

def receive(message):
    fail("the secret")

channel_routing = [
    view("/", page),
    route("http.request", bad_reply, path="^/reply$"),
    route("websocket.receive", receive),
]
`

func TestProductionShowsNoDetailsOfErrors(t *testing.T) {
	p := start(t, failingApp, "--store", "memory", "--production")
	get := func(path, accept string) (int, string) {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, p.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", accept)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	for path, want := range map[string]struct {
		status     int
		text, html string
	}{
		"/":                       {500, "500 Internal Server Error\n", "<h1>500 Internal Server Error</h1>"},
		"/none":                   {404, "404 Not Found\n", "<h1>404 Not Found</h1>"},
		"/__asgibox__/generation": {404, "404 Not Found\n", "<h1>404 Not Found</h1>"},
		"/reply":                  {500, "500 Internal Server Error\nThe application's response cannot be sent.\n", "500 Internal Server Error</p><h1>The application&#39;s response cannot be sent</h1></html>"},
	} {
		if status, body := get(path, "*/*"); status != want.status || body != want.text {
			t.Errorf("%s: %d %q", path, status, body)
		}
		status, body := get(path, "text/html")
		if status != want.status || !strings.Contains(body, want.html) || strings.Contains(body, "<script") || strings.Contains(body, "app.star") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	s := p.dial("/")
	s.send("x")
	if end := s.waitClosed(); end.Code != 1011 || end.Reason != "the application failed" {
		t.Errorf("closed with %v", end)
	}
	p.waitFor(`app\.star:4:\d+`) // the log has the details
}

func TestProductionShowsNoErrorOfALoad(t *testing.T) {
	p := start(t, "secret = nothing\n", "--store", "memory", "--production")
	p.waitFor(`app\.star:1:\d+`)
	if status, body := p.get("/"); status != 500 || body != "500 Internal Server Error\n" {
		t.Errorf("%d %q", status, body)
	}
}

func TestProductionHasNoControlServerUnlessOneIsNamed(t *testing.T) {
	p := start(t, helloApp, "--store", "memory", "--production")
	p.waitFor(`loaded app\.star`)
	if strings.Contains(p.out.String(), "inspector") {
		t.Errorf("there is an inspector:\n%s", p.out)
	}

	p = start(t, helloApp, "--store", "memory", "--production", "--control", "127.0.0.1:0")
	p.save("app.star", strings.ReplaceAll(helloApp, `"content": "hello"`, `"content": "changed"`))
	resp, err := http.Post(p.controlURL()+"api/reload", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if _, body := p.get("/"); resp.StatusCode != 200 || body != "changed" {
		t.Errorf("after a reload over the control server: %s, %q", resp.Status, body)
	}
}

func TestProductionExcludesLive(t *testing.T) {
	expectText(t, mustFail(t, "run", writeApp(t, helloApp), "--production", "--live"), "--production and --live exclude each other")
}
