package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestWorkerInAnotherProcess(t *testing.T) {
	const app = `
def request(message):
    n = state.incr("visits")
    message.reply_channel.send({"status": 200, "content": "visit %d, one" % n})

def connect(message):
    message.reply_channel.send({"accept": True})

def receive(message):
    message.channel_session["said"] = message.channel_session.get("said", []) + [message["text"]]
    message.reply_channel.send({"text": " ".join(message.channel_session["said"])})

channel_routing = {"http.request": request, "websocket.connect": connect, "websocket.receive": receive}
`
	p := start(t, app, "--no-workers")
	w := p.worker()
	for _, want := range []string{"visit 1, one", "visit 2, one"} {
		if _, body := p.get("/"); body != want {
			t.Error(body)
		}
	}
	s := p.dial("/")
	if s.exchange("a") != "a" || s.exchange("b") != "a b" {
		t.Error("the session was lost")
	}
	p.save("app.star", strings.ReplaceAll(app, "one", "two"))
	w.waitFor(`reloaded app\.star, generation 2`)
	if _, body := p.get("/"); body != "visit 3, two" {
		t.Error(body)
	}
	if status := w.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

const countingApp = `
def page(request):
    request.session["n"] = request.session.get("n", 0) + 1
    return "visit %d of %d" % (request.session["n"], state.incr("visits"))

def slow(request):
    log.info("started")
    sleep(20)
    return "done"

channel_routing = [view("/", page), view("/slow", slow)]
`

func TestWorkerKeepsStateAndSessionsAfterServerRestart(t *testing.T) {
	p := start(t, countingApp, "--no-workers", "--control", "127.0.0.1:0")
	control := p.controlAddress()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	visit := func(want string) {
		t.Helper()
		resp, err := browser.Get(p.url + "/")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if b, err := io.ReadAll(resp.Body); err != nil || string(b) != want {
			t.Errorf("%s, want %s, %v", b, want, err)
		}
	}
	w := p.worker("--control", control)
	visit("visit 1 of 1")
	visit("visit 2 of 2")
	if status := p.stop(); status != 0 {
		t.Errorf("the server ended with %d", status)
	}
	w.waitFor("the layer cannot be reached; trying again")
	port := p.url[strings.LastIndex(p.url, ":")+1:] // the session's cookie belongs to it
	p = startIn(t, p.dir, "app.star", "--no-workers", "--control", control, "--port", port)
	visit("visit 3 of 3")
	w.waitFor("the layer can be reached again")
}

func TestKilledWorkerLosesOnlyItsRequest(t *testing.T) {
	p := start(t, countingApp, "--no-workers", "--control", "127.0.0.1:0", "--http-timeout", "5")
	control := p.controlURL()
	out := newTranscript()
	cmd := exec.Command(binary(t), "worker", filepath.Join(p.dir, "app.star"), "--control", control)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	replied := make(chan int, 1)
	go func() {
		status, _ := p.get("/slow")
		replied <- status
	}()
	(&program{TB: t, out: out}).waitFor("started")
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	w := p.worker("--control", control)
	if status, body := p.get("/"); status != 200 || body != "visit 1 of 1" {
		t.Errorf("the next request: %d %s", status, body)
	}
	if status := <-replied; status != 503 {
		t.Errorf("the lost request: %d", status)
	}
	if strings.Contains(w.out.String(), "started") {
		t.Errorf("it was handled twice: %s", w.out)
	}
}

func TestWorkerRequiresTheToken(t *testing.T) {
	p := start(t, countingApp, "--store", "memory", "--no-workers", "--control", "0.0.0.0:0")
	base, token, ok := strings.Cut(p.controlURL(), "?token=")
	if !ok {
		t.Fatal("there is no token")
	}
	if out := mustFail(t, "worker", filepath.Join(p.dir, "app.star"), "--control", base); !strings.Contains(out, "token") {
		t.Errorf("without: %s", out)
	}
	t.Setenv("ASGIBOX_TOKEN", token)
	p.worker("--control", base)
	if _, body := p.get("/"); body != "visit 1 of 1" {
		t.Errorf("with the token: %s", body)
	}
}

func TestWorkerWithoutServerIsAnError(t *testing.T) {
	app := writeApp(t, helloApp)
	expectText(t, mustFail(t, "worker", app), "no server runs")
}

// replyWithCurl serves one request as a worker that consists of curl.
func replyWithCurl(control, page string) error {
	curl := func(path, body string) ([]byte, error) {
		return exec.Command("curl", "-sS", "--fail-with-body", control+path, "-d", body).Output()
	}
	request, err := curl("layer/receive", `{"channels": "http.request", "block": true}`)
	if err != nil {
		return err
	}
	var d struct{ Message map[string]any }
	if err := json.Unmarshal(request, &d); err != nil {
		return err
	}
	reply, err := json.Marshal(map[string]any{
		"channel": d.Message["reply_channel"],
		"message": map[string]any{"status": 200, "headers": [][]string{{"content-type", "text/html"}}, "content": page},
	})
	if err == nil {
		_, err = curl("layer/send", string(reply))
	}
	return err
}

func requireCurl(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl on this machine")
	}
}

func TestCurlAsTheOnlyWorker(t *testing.T) {
	requireCurl(t)
	p := start(t, chatApp, "--store", "memory", "--no-workers", "--grace", "0") // no worker replies to the request for the icon
	control := p.controlURL()
	replied := make(chan error, 1)
	go func() { replied <- replyWithCurl(control, "a page by curl") }()
	if status, body := p.get("/from/curl"); status != 200 || body != "a page by curl" {
		t.Errorf("%d %s", status, body)
	}
	if err := <-replied; err != nil {
		t.Error(err)
	}
}

func TestBrowserShowsAPageFromCurl(t *testing.T) {
	requireCurl(t)
	b := browser(t)(t)
	p := start(t, chatApp, "--store", "memory", "--no-workers", "--grace", "0") // no worker replies to the request for the icon
	control := p.controlURL()
	replied := make(chan error, 1)
	go func() { replied <- replyWithCurl(control, "<h1>a page by curl</h1>") }()
	b.do(chromedp.Navigate(p.url + "/from/curl"))
	b.waitForText("a page by curl")
	if err := <-replied; err != nil {
		t.Error(err)
	}
}
