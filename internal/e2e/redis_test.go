package e2e

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/redis/go-redis/v9"
)

// A redisServer is a Redis of a test, on a socket of its own.
type redisServer struct {
	testing.TB
	path string // of the program
	dir  string
	cmd  *exec.Cmd
	args []string
}

// startRedis starts a Redis with further arguments.
func startRedis(t testing.TB, args ...string) *redisServer {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("there is no redis-server on this machine")
	}
	dir, err := os.MkdirTemp("", "redis-") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	r := &redisServer{TB: t, path: path, dir: dir, args: args}
	t.Cleanup(func() {
		r.kill()
		os.RemoveAll(dir)
	})
	r.start()
	return r
}

func (r *redisServer) socket() string { return filepath.Join(r.dir, "s") }

// url returns the value of --layer.
func (r *redisServer) url() string { return "unix://" + r.socket() }

func (r *redisServer) start() {
	r.Helper()
	r.cmd = exec.Command(r.path, append([]string{
		"--port", "0", "--unixsocket", r.socket(), "--dir", r.dir, "--save", "", "--logfile", filepath.Join(r.dir, "log"),
	}, r.args...)...)
	if err := r.cmd.Start(); err != nil {
		r.Fatal(err)
	}
	c := r.client()
	deadline := time.Now().Add(patience)
	for {
		err := c.Ping(context.Background()).Err()
		if err == nil || strings.HasPrefix(err.Error(), "NOAUTH") {
			return
		}
		if time.Now().After(deadline) {
			r.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// kill ends Redis as kill -9 does.
func (r *redisServer) kill() {
	_ = r.cmd.Process.Kill() // it may have ended
	_ = r.cmd.Wait()
}

// client returns a connection of the test's own.
func (r *redisServer) client() *redis.Client {
	c := redis.NewClient(&redis.Options{Network: "unix", Addr: r.socket(), Protocol: 2})
	r.Cleanup(func() { c.Close() })
	return c
}

// chatOn starts a server with the chat on a layer.
func chatOn(t testing.TB, layer string, args ...string) *program {
	t.Helper()
	return startIn(t, "../../examples/chat", "app.star", append([]string{"--layer", layer, "--no-reload"}, args...)...)
}

// TestTwoServersOnOneRedisServeOneChat checks that the browsers of two servers see
// each other, and that they have one history.
func TestTwoServersOnOneRedisServeOneChat(t *testing.T) {
	r := startRedis(t)
	one, two := chatOn(t, r.url()), chatOn(t, r.url())
	one.waitFor("loaded app.star")
	two.waitFor("loaded app.star")
	open := browser(t)
	join := func(p *program, who string) *tab {
		b := open(t)
		// On a busy machine, Redis may be silent for so long that it counts as gone.
		b.repeatUntil(func() { b.do(chromedp.Navigate(p.url + "/")) }, `document.querySelector("#hello input")`)
		b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#hello input").value = "`+who+`"`),
			chromedp.Evaluate[chromedp.Void](`document.querySelector("#hello form").requestSubmit(document.querySelector("#hello button"))`))
		return b
	}
	ada, ben := join(one, "Ada"), join(two, "Ben")
	for _, b := range []*tab{ada, ben} {
		b.until(`document.body.innerText.includes("Ada") && document.body.innerText.includes("Ben")`)
	}
	cy := one.dial("/chat/lobby/Cy")
	cy.waitForEvent("welcome")
	cy.send("from one")
	ben.until(`document.body.innerText.includes("from one")`)
	di := two.dial("/chat/lobby/Di")
	if e := di.waitForEvent("welcome"); len(e.Said) != 1 || len(e.Here.Names) != 4 {
		t.Errorf("%+v", e)
	}
	di.send("from two")
	ada.until(`document.body.innerText.includes("from two")`)
}

// TestALayerOnRedisWritesNothingBesideTheApplication also checks that no output has
// the password.
func TestALayerOnRedisWritesNothingBesideTheApplication(t *testing.T) {
	r := startRedis(t, "--requirepass", "s3cret")
	dir := filepath.Dir(writeApp(t, countingApp))
	p := startIn(t, dir, "app.star", "--layer", r.url()+"?password=s3cret")
	p.waitFor(`layer +Redis, unix://\S+/s\b`)
	if status, body := p.get("/"); status != 200 || !strings.Contains(body, "visit 1 of 1") {
		t.Errorf("%d %s", status, body)
	}
	_, status := (&program{TB: t, url: strings.TrimSuffix(p.controlURL(), "/")}).get("/api/status")
	expectText(t, status, `"layer":"Redis, unix://`)
	p.stop()
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("%v %v", files, err)
	}
	if out := p.out.String() + status; strings.Contains(out, "s3cret") {
		t.Errorf("the password is in %s", out)
	}
}

func TestMistakesWithALayerOnRedisAreOneLine(t *testing.T) {
	r := startRedis(t, "--requirepass", "s3cret")
	app := writeApp(t, countingApp)
	for _, c := range []struct{ args, want string }{
		{"run APP --layer " + r.url(), "NOAUTH"},
		{"run APP --layer " + r.url() + "?password=secret1", "WRONGPASS"},
		{"worker APP --layer unix:///there/is/no/socket?password=secret1", "cannot be reached"},
		{"run APP --layer redis://:secret1@localhost/x", "number"},
		{"run APP --layer http://:secret1@localhost", "must begin with redis://"},
		{"run APP --store x --layer redis://:secret1@localhost", "--store"},
		{"worker APP --control :1 --layer redis://:secret1@localhost", "--control"},
		{"worker APP --capacity 7", "--capacity is for a layer on Redis"},
		{"channels --control :1 --layer redis://:secret1@localhost", "only one of them"},
		{"send jobs {} --layer " + r.url(), "NOAUTH"},
	} {
		line := mustFail(t, strings.Fields(strings.ReplaceAll(c.args, "APP", app))...)
		expectText(t, line, c.want)
		if strings.Contains(line, "secret1") {
			t.Errorf("the password is in %q", line)
		}
	}
}

func TestAServerWaitsForRedisAtTheStart(t *testing.T) {
	r := startRedis(t)
	r.kill()
	p := launch(t, "", "run", writeApp(t, countingApp), "--port", "0", "--layer", r.url(), "--layer-wait", "60s")
	p.waitFor("waiting for Redis")
	r.start()
	p.url = p.appURL()
	if status, _ := p.get("/"); status != 200 {
		t.Error(status)
	}
}

// TestAKilledServerOnRedis checks that the other server goes on, and that the
// members of the killed one leave the groups.
func TestAKilledServerOnRedis(t *testing.T) {
	r := startRedis(t)
	dies := startBinary(t, binary(t), "../../examples/chat/app.star", "--layer", r.url(), "--no-reload")
	lives := chatOn(t, r.url())
	dies.waitFor("loaded app.star")
	lives.waitFor("loaded app.star")
	ada, ben := dies.dial("/chat/lobby/Ada"), lives.dial("/chat/lobby/Ben")
	ada.waitForEvent("welcome")
	ben.waitForEvent("welcome")
	ada.send("hello")
	ben.waitForEvent("said")
	dies.kill()
	if end := ada.waitClosed(); end.Code != -1 {
		t.Errorf("the client of the killed server got %v", end)
	}
	ben.send("still here")
	if e := ben.waitForEvent("said"); e.Text != "still here" {
		t.Errorf("%+v", e)
	}
	c := r.client()
	deadline := time.Now().Add(2 * patience) // a machine is gone after 15 s
	for {
		members, err := c.ZCard(context.Background(), "asgi::group:chat-lobby").Result()
		if err != nil {
			t.Fatal(err)
		}
		if members == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d members", members)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// TestRedisIsRestartedUnderARunningServer checks what clients see meanwhile, and
// that everything goes on afterwards.
func TestRedisIsRestartedUnderARunningServer(t *testing.T) {
	r := startRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	p := chatOn(t, r.url())
	p.waitFor("loaded app.star")
	ada := p.dial("/chat/lobby/Ada")
	ada.waitForEvent("welcome")
	r.kill()
	p.eventually("a 503", func() bool {
		resp, err := http.Get(p.url + "/")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode == 503 && resp.Header.Get("Retry-After") != ""
	})
	ada.send("while it is gone")
	if _, err := http.Get(p.url + "/"); err != nil {
		t.Error(err)
	}
	r.start()
	if e := ada.waitForEvent("said"); e.Text != "while it is gone" {
		t.Errorf("%+v", e)
	}
	p.eventually("a page", func() bool {
		status, _ := p.get("/")
		return status == 200
	})
	p.stop()
	for _, line := range []string{"Redis has gone", "Redis is back"} {
		if n := len(regexp.MustCompile(line).FindAllString(p.out.String(), -1)); n != 1 {
			t.Errorf("%q is logged %d times:\n%s", line, n, p.out)
		}
	}
}

func TestCommandsReachALayerOnRedisWithoutAServer(t *testing.T) {
	r := startRedis(t)
	run := func(args ...string) string {
		t.Helper()
		status, out := runCommand(t, append(args, "--layer", r.url())...)
		if status != 0 {
			t.Fatalf("%q: status %d: %s", args, status, out)
		}
		return out
	}
	run("send", "jobs", `{"n": 1}`)
	run("send", "jobs", `{"n": 2}`)
	if out := run("channels", "jobs"); !regexp.MustCompile(`jobs +2 +1000 `).MatchString(out) {
		t.Error(out)
	}
	expectText(t, run("receive", "jobs"), `{"channel":"jobs","message":{"n":1}}`)
	run("group", "add", "workers", "jobs")
	expectText(t, run("group", "list"), "workers")
	expectText(t, run("group", "list", "workers"), "jobs")
	run("group", "send", "workers", `{"n": 3}`)
	run("group", "discard", "workers", "jobs")
	run("flush", "--yes")
	if out := run("channels"); strings.Contains(out, "jobs ") && !regexp.MustCompile(`jobs +0 `).MatchString(out) {
		t.Error(out)
	}
}

// TestSecretsOfTheEnvironmentEncryptMessages also checks that a message without them
// is not received.
func TestSecretsOfTheEnvironmentEncryptMessages(t *testing.T) {
	r := startRedis(t)
	send := func(secrets, text string) {
		t.Helper()
		t.Setenv("ASGIBOX_LAYER_KEYS", secrets)
		if status, out := runCommand(t, "send", "jobs", `{"text": "`+text+`"}`, "--layer", r.url()); status != 0 {
			t.Fatal(out)
		}
	}
	send("", "plain")
	send("old\n", "first")
	c := r.client()
	key, err := c.LIndex(t.Context(), "asgi:jobs", -1).Result()
	if err != nil {
		t.Fatal(err)
	}
	if body, err := c.Get(t.Context(), key).Result(); err != nil || !strings.HasPrefix(body, "gAAAAA") {
		t.Errorf("%q, %v", body, err)
	}
	t.Setenv("ASGIBOX_LAYER_KEYS", "new\nold")
	_, out := runCommand(t, "receive", "jobs", "--layer", r.url())
	expectText(t, out, `{"channel":"jobs","message":{"text":"first"}}`)
}

// TestARingOfHostsServesOneChat gives the layer two hosts.
func TestARingOfHostsServesOneChat(t *testing.T) {
	a, b := startRedis(t), startRedis(t)
	one, two := chatOn(t, a.url(), "--layer", b.url()), chatOn(t, a.url(), "--layer", b.url())
	one.waitFor(`layer +Redis, unix://\S+, unix://\S+\n`)
	one.waitFor("loaded app.star")
	two.waitFor("loaded app.star")
	ada, ben := one.dial("/chat/lobby/Ada"), two.dial("/chat/lobby/Ben")
	ada.waitForEvent("welcome")
	ben.waitForEvent("welcome")
	for _, text := range []string{"one", "two", "three"} {
		ada.send(text)
		if e := ben.waitForEvent("said"); e.Text != text {
			t.Errorf("got %q, want %q", e.Text, text)
		}
	}
}

func TestAWorkerOnRedisWorksForAServerWithoutWorkers(t *testing.T) {
	r := startRedis(t)
	p := start(t, countingApp, "--no-workers", "--layer", r.url())
	w := p.worker("--layer", r.url(), "--expiry", "30s")
	w.waitFor(`layer +Redis, unix://`)
	client := newBrowser(t)
	for _, want := range []string{"visit 1 of 1", "visit 2 of 2"} {
		if body, err := getBody(client, p.url+"/"); err != nil || body != want {
			t.Errorf("%q, %v; want %q", body, err, want)
		}
	}
	if status := w.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// TestProcessesOnOneRedisTickOnceTogether checks that two servers take as long for
// their ticks as one.
func TestProcessesOnOneRedisTickOnceTogether(t *testing.T) {
	const app = `
def tick(message):
    log.info("tick %d" % state.incr("ticks"))

channel_routing = [every(0.25, "ticks"), route("ticks", tick)]
`
	r := startRedis(t)
	began := time.Now()
	one, two := start(t, app, "--layer", r.url()), start(t, app, "--layer", r.url())
	one.eventually("twelve ticks", func() bool {
		return strings.Contains(one.out.String()+two.out.String(), "tick 12")
	})
	// Ten intervals lie between the first and the twelfth tick.
	if took := time.Since(began); took < 10*time.Second/4 {
		t.Errorf("twelve ticks took %v", took)
	}
}

// TestTwoMachinesExample runs the script of the example.
func TestTwoMachinesExample(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("there is no redis-server on this machine")
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash on this machine")
	}
	out := newTranscript()
	cmd := exec.Command(bash, "../../examples/two-machines/run.sh", "0", "0")
	cmd.Env = append(os.Environ(), "ASGIBOX="+binary(t))
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	p := &program{TB: t, out: out}
	p.waitFor(`(?s)loaded app.star.*loaded app.star`)
	urls := p.waitFor(`(?s)open +(http\S+?)/\n.*open +(http\S+?)/\n`)
	one, two := &program{TB: t, out: out, url: urls[1]}, &program{TB: t, out: out, url: urls[2]}
	ada, ben := one.dial("/chat/lobby/Ada"), two.dial("/chat/lobby/Ben")
	ada.waitForEvent("welcome")
	ben.waitForEvent("welcome")
	ada.send("hello")
	if e := ben.waitForEvent("said"); e.Text != "hello" {
		t.Errorf("%+v", e)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the script ended with %v", err)
		}
	case <-time.After(patience):
		t.Error("the script does not end")
	}
}
