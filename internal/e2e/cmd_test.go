package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"asgibox/internal/cli"

	"github.com/chromedp/chromedp"
)

// chatApp lets a client in when it is in the room: nothing that is said from
// then on passes it by.
const chatApp = `
def connect(message):
    Group("room").add(message.reply_channel)
    message.reply_channel.send({"accept": True})

def receive(message):
    Group("room").send({"text": message["text"]})

def page(request):
    return "page of " + request.method

channel_routing = [
    view("/", page),
    view("/page", page),
    route("websocket.connect", connect),
    route("websocket.receive", receive),
]
`

// command runs a command against the program, named by its control server.
func (p *program) command(args ...string) (status int, out string) {
	p.Helper()
	control := p.saw(`inspector +(http\S+)`)[1]
	return controlled(p, append(args, "--control", control)...)
}

func controlled(t testing.TB, args ...string) (status int, out string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var b bytes.Buffer
	status = cli.Run(ctx, args, strings.NewReader(`{"text": "from stdin"}`), &b, &b)
	return status, b.String()
}

func (p *program) mustCommand(args ...string) string {
	p.Helper()
	status, out := p.command(args...)
	if status != 0 {
		p.Fatalf("%q: status %d: %s", args, status, out)
	}
	return out
}

func TestSendAndReceiveAgainstARunningServer(t *testing.T) {
	p := start(t, chatApp, "--store", "memory")
	p.mustCommand("send", "jobs", `{"number": 7, "size": 1.0}`)
	if out := p.mustCommand("receive", "jobs"); out != `{"channel":"jobs","message":{"number":7,"size":1.0}}`+"\n" {
		t.Errorf("received %s", out)
	}
	p.mustCommand("send", "jobs", "-")
	if out := p.mustCommand("receive", "jobs", "other"); !strings.Contains(out, "from stdin") {
		t.Errorf("received %s", out)
	}
	if status, out := p.command("send", "a b", "{}"); status != 1 || !strings.Contains(out, `invalid name "a b"`) {
		t.Errorf("a bad name: %d %s", status, out)
	}
	if status, out := p.command("send", "a", "{"); status != 1 || !strings.Contains(out, "not JSON") {
		t.Errorf("no JSON: %d %s", status, out)
	}
}

func TestChannelsPauseStepAndResumeAgainstARunningServer(t *testing.T) {
	p := start(t, chatApp, "--store", "memory")
	p.mustCommand("pause", "jobs")
	p.mustCommand("send", "jobs", `{"n": 1}`)
	out := p.mustCommand("channels", "jo*")
	if !strings.Contains(out, "jobs") || !strings.Contains(out, "paused") || strings.Contains(out, "http.request") {
		t.Errorf("channels:\n%s", out)
	}
	p.mustCommand("step", "jobs")
	p.mustCommand("receive", "jobs")
	if out := p.mustCommand("step", "jobs"); !strings.Contains(out, "no message waits") {
		t.Errorf("step: %s", out)
	}
	p.mustCommand("resume", "jobs")
	var rows []struct {
		Depth  int
		Paused bool
	}
	if err := json.Unmarshal([]byte(p.mustCommand("channels", "jobs", "--json")), &rows); err != nil || len(rows) != 1 || rows[0].Paused {
		t.Errorf("as JSON: %+v, %v", rows, err)
	}
	p.mustCommand("send", "jobs", "{}")
	if status, _ := p.command("flush"); status != 1 {
		t.Error("flush asks for nothing")
	}
	if out := p.mustCommand("pause", "a!b"); !strings.Contains(out, "a!, that is every channel with this prefix, is paused") {
		t.Errorf("pause: %s", out)
	}
	if out := p.mustCommand("resume", "a!b"); !strings.Contains(out, "a!, that is every channel with this prefix, is no longer paused") {
		t.Errorf("resume: %s", out)
	}
	if out := p.mustCommand("resume", "jobs"); !strings.Contains(out, "jobs was not paused") {
		t.Errorf("resume: %s", out)
	}
	p.mustCommand("flush", "--yes")
	if err := json.Unmarshal([]byte(p.mustCommand("channels", "jobs", "--json")), &rows); err != nil || rows[0].Depth != 0 {
		t.Errorf("after the flush: %+v, %v", rows, err)
	}
}

func TestGroupsSocketsAndFiguresOfARunningServer(t *testing.T) {
	p := start(t, chatApp, "--store", "memory")
	s := p.dial("/chat")
	s.send("hello")
	if got := s.receive(); got != "hello" {
		t.Fatal(got)
	}
	p.mustCommand("group", "send", "room", `{"text": "from the terminal"}`)
	if got := s.receive(); got != "from the terminal" {
		t.Errorf("the socket got %q", got)
	}
	if out := p.mustCommand("group", "list"); !strings.Contains(out, "room   1") {
		t.Errorf("groups:\n%s", out)
	}
	p.mustCommand("group", "add", "room", "jobs")
	p.mustCommand("group", "discard", "room", "jobs")
	var members []struct{ Channel string }
	if err := json.Unmarshal([]byte(p.mustCommand("group", "list", "room", "--json")), &members); err != nil || len(members) != 1 {
		t.Fatalf("members: %+v, %v", members, err)
	}
	if out := p.mustCommand("ps"); !strings.Contains(out, "/chat") || !strings.Contains(out, "of 16 workers busy") {
		t.Errorf("ps:\n%s", out)
	}
	if out := p.mustCommand("stats"); !strings.Contains(out, "generation 1, routed") {
		t.Errorf("stats:\n%s", out)
	}
	p.mustCommand("kill", members[0].Channel[len(members[0].Channel)-6:], "--code", "4001")
	if code := s.closed(); code != 4001 {
		t.Errorf("the socket was closed with %d", code)
	}
	if status, out := p.command("kill", "nobody"); status != 1 || !strings.Contains(out, "no open WebSocket") {
		t.Errorf("kill: %d %s", status, out)
	}
}

func TestTailShowsTracesThatReplayRepeats(t *testing.T) {
	p := start(t, chatApp, "--store", "memory")
	control := p.saw(`inspector +(http\S+)`)[1]
	ctx, cancel := context.WithCancel(t.Context())
	out := newTranscript()
	ended := make(chan struct{})
	go func() {
		cli.Run(ctx, []string{"tail", "channel:http.request", "--control", control}, strings.NewReader(""), out, out)
		close(ended)
	}()
	defer func() { cancel(); <-ended }()
	p.eventually("tail shows a request", func() bool {
		p.get("/")
		return strings.Contains(out.String(), "GET /")
	})
	trace := strings.Fields(out.String())[1]
	if got := p.mustCommand("replay", trace); !strings.HasPrefix(got, "200\n") || !strings.Contains(got, "page of GET") {
		t.Errorf("replayed: %s", got)
	}
}

// eventually tries until it holds.
func (p *program) eventually(what string, holds func() bool) {
	p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			p.Fatal("never: " + what)
		}
	}
}

func TestCommandsFindTheServerByItsStore(t *testing.T) {
	p := start(t, chatApp)
	p.saw(`generation 1`)
	inside := filepath.Join(p.dir, "deep", "er")
	if err := os.MkdirAll(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(inside)
	if status, out := controlled(t, "stats"); status != 0 || !strings.Contains(out, "generation 1") {
		t.Errorf("from below: %d %s", status, out)
	}
	if status, out := controlled(t, "stats", "--store", filepath.Join(p.dir, ".asgibox", "channels.db")); status != 0 {
		t.Errorf("by its store: %d %s", status, out)
	}
	t.Chdir(t.TempDir())
	if status, out := controlled(t, "stats"); status != 1 || !strings.Contains(out, "no server runs on a store in this folder or above") {
		t.Errorf("from elsewhere: %d %s", status, out)
	}
	if status, out := controlled(t, "stats", "--control", "127.0.0.1:1"); status != 1 || !strings.Contains(out, "is asgibox running?") {
		t.Errorf("nobody there: %d %s", status, out)
	}
}

func TestControlElsewhereWantsAToken(t *testing.T) {
	p := start(t, chatApp, "--store", "memory", "--control", "0.0.0.0:0")
	url := p.saw(`inspector +(http\S+)`)[1]
	base, _, ok := strings.Cut(url, "?token=")
	if !ok {
		t.Fatalf("no token in %s", url)
	}
	if status, out := controlled(t, "stats", "--control", url); status != 0 {
		t.Errorf("with the token: %d %s", status, out)
	}
	if status, out := controlled(t, "stats", "--control", base); status != 1 || !strings.Contains(out, "token") {
		t.Errorf("without: %d %s", status, out)
	}
	resp, err := http.Get(base + "layer/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 401 {
		t.Errorf("the layer without the token: %d", resp.StatusCode)
	}
}

func TestCommandsTakeTheTokenFromTheirFlagOrTheEnvironment(t *testing.T) {
	p := start(t, chatApp, "--store", "memory", "--control", "0.0.0.0:0")
	base, token, _ := strings.Cut(p.saw(`inspector +(http\S+)`)[1], "?token=")
	if status, out := controlled(t, "stats", "--control", base, "--token", token); status != 0 {
		t.Errorf("by the flag: %d %s", status, out)
	}
	t.Setenv("ASGIBOX_CONTROL", base)
	t.Setenv("ASGIBOX_TOKEN", token)
	if status, out := controlled(t, "stats"); status != 0 {
		t.Errorf("by the environment: %d %s", status, out)
	}
	if status, out := controlled(t, "stats", "--token", "wrong"); status != 1 || !strings.Contains(out, "--token") {
		t.Errorf("a wrong one: %d %s", status, out)
	}
}

func TestCommandsSayWhatTheyTake(t *testing.T) {
	for line, want := range map[string]string{
		"send jobs":        "asgibox send takes CHANNEL JSON, but got 1 argument; see asgibox send --help",
		"receive":          "takes CHANNEL…, but got 0 arguments",
		"pause a b":        "takes CHANNEL, but got 2 arguments",
		"group add a":      "asgibox group add takes GROUP CHANNEL, but got 1 argument",
		"group remove a b": `group has no command "remove"`,
		"stats now":        "asgibox stats takes no arguments, but got 1 argument",
		"stts":             `unknown command "stts"`,
		"stats --jsn":      "did you mean --json?",
	} {
		if status, out := controlled(t, strings.Fields(line)...); status != 1 || !strings.Contains(out, want) {
			t.Errorf("%s: %d %s", line, status, out)
		}
	}
}

func TestCommandsKnowWhatIsNoControlServer(t *testing.T) {
	p := start(t, chatApp, "--store", "memory")
	if status, out := controlled(t, "stats", "--control", p.url); status != 1 || !strings.Contains(out, "is it an asgibox control server?") {
		t.Errorf("the application's own port: %d %s", status, out)
	}
	all := start(t, "def page(message):\n    message.reply({\"status\": 200, \"content\": \"<p>\"})\n\nchannel_routing = {\"http.request\": page}\n", "--store", "memory")
	if status, out := controlled(t, "stats", "--control", all.url); status != 1 || !strings.Contains(out, "is not from an asgibox control server") {
		t.Errorf("a port that answers everything: %d %s", status, out)
	}
}

func TestStatsAreWatchedUntilCtrlC(t *testing.T) {
	p := start(t, chatApp, "--store", "memory", "--no-workers")
	out, stop := p.inBackground("stats", "--watch")
	p.eventually("they are shown twice", func() bool { return strings.Count(out.String(), "WHAT") >= 2 })
	if status := stop(); status != 0 || !strings.Contains(out.String(), "no workers here") {
		t.Errorf("status %d: %s", status, out)
	}
	out, stop = p.inBackground("stats", "--watch", "--json")
	p.eventually("they are told twice", func() bool { return strings.Count(out.String(), "\n") >= 2 })
	if status := stop(); status != 0 {
		t.Errorf("status %d", status)
	}
	for line := range strings.Lines(out.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

func TestReceiveFollowsOverARestartOfTheServer(t *testing.T) {
	p := start(t, chatApp, "--control", "127.0.0.1:0")
	out, stop := p.inBackground("receive", "jobs", "other", "--follow")
	p.mustCommand("send", "jobs", `{"n": 1.0}`)
	out.wait(regexp.MustCompile(`\{"channel":"jobs","message":\{"n":1\.0\}\}`))
	control := strings.Trim(strings.TrimPrefix(p.saw(`inspector +(http\S+)`)[1], "http://"), "/")
	if status := p.stop(); status != 0 {
		t.Errorf("the server ended with %d", status)
	}
	p = startIn(t, p.dir, "app.star", "--control", control)
	p.mustCommand("send", "other", `{"n": 2}`)
	if out.wait(regexp.MustCompile(`"other"`)) == nil {
		t.Errorf("it followed to %s", out)
	}
	if status := stop(); status != 0 {
		t.Errorf("status %d", status)
	}
}

func TestControlOff(t *testing.T) {
	p := start(t, chatApp, "--control", "off")
	if strings.Contains(p.out.String(), "look ") {
		t.Errorf("there is one:\n%s", p.out)
	}
	if status, out := controlled(t, "stats", "--store", filepath.Join(p.dir, ".asgibox", "channels.db")); status != 1 || !strings.Contains(out, "--control off") {
		t.Errorf("stats: %d %s", status, out)
	}
}

func TestATakenControlPortThatWasAskedForIsAnError(t *testing.T) {
	p := start(t, chatApp, "--store", "memory", "--control", "127.0.0.1:0")
	taken := strings.TrimSuffix(strings.TrimPrefix(p.saw(`inspector +(http\S+)`)[1], "http://"), "/")
	p.save("other.star", chatApp)
	status, out := controlled(t, "run", filepath.Join(p.dir, "other.star"), "--port", "0", "--store", "memory", "--control", taken)
	if status != 1 || !strings.Contains(out, "cannot listen on --control "+taken) {
		t.Errorf("%d %s", status, out)
	}
}

func TestFlagsSetUpTheChannelLayer(t *testing.T) {
	p := start(t, chatApp, "--store", "memory", "--channel-capacity", "jobs=2", "--channel-capacity", "job*=9", "--capacity", "1")
	for channel, room := range map[string]int{"jobs": 2, "other": 1} {
		for range room {
			p.mustCommand("send", channel, "{}")
		}
		if status, out := p.command("send", channel, "{}"); status != 1 || !strings.Contains(out, "full") {
			t.Errorf("one more on %s: %d %s", channel, status, out)
		}
	}
}

func TestChaosIsOffUnlessItsFlagIsGiven(t *testing.T) {
	const poll = `
def send(request):
    Channel("jobs").send({})
    Channel("safe").send({})
    return str(layer.receive(["jobs"])[0]) + " " + str(layer.receive(["safe"])[0])

channel_routing = [view("/", send)]
`
	if _, body := start(t, poll, "--store", "memory", "--chaos", "job*:drop=100%").get("/"); body != "None safe" {
		t.Errorf("with chaos: %s", body)
	}
	if _, body := start(t, poll, "--store", "memory").get("/"); body != "jobs safe" {
		t.Errorf("without: %s", body)
	}
}

// curlAnswers plays worker for one request, with curl alone.
func curlAnswers(control, page string) error {
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

func needCurl(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl on this machine")
	}
}

func TestCurlAloneCanBeAWorker(t *testing.T) {
	needCurl(t)
	p := start(t, chatApp, "--store", "memory", "--no-workers", "--grace", "0") // nobody answers for the icon
	control := p.saw(`inspector +(http\S+)`)[1]
	answered := make(chan error, 1)
	go func() { answered <- curlAnswers(control, "a page by curl") }()
	if status, body := p.get("/from/curl"); status != 200 || body != "a page by curl" {
		t.Errorf("%d %s", status, body)
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

func TestABrowserGetsThePageThatCurlAnswers(t *testing.T) {
	needCurl(t)
	b := browser(t)()
	p := start(t, chatApp, "--store", "memory", "--no-workers", "--grace", "0") // nobody answers for the icon
	control := p.saw(`inspector +(http\S+)`)[1]
	answered := make(chan error, 1)
	go func() { answered <- curlAnswers(control, "<h1>a page by curl</h1>") }()
	b.do(chromedp.Navigate(p.url + "/from/curl"))
	b.shows("a page by curl")
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

func TestChaosBeginsAndEndsWhileTheServerRuns(t *testing.T) {
	p := start(t, chatApp, "--store", "memory")
	control := p.saw(`inspector +(http\S+)`)[1]
	ask := func(rules string) (int, string) {
		t.Helper()
		resp, err := http.Post(control+"api/chaos", "application/json", strings.NewReader(`{"rules": `+rules+`}`))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var b bytes.Buffer
		_, _ = b.ReadFrom(resp.Body)
		return resp.StatusCode, b.String()
	}
	if status, out := ask(`["jobs:drop=often"]`); status != 400 {
		t.Errorf("a bad rule: %d %s", status, out)
	}
	if status, out := ask(`["jobs:drop=100%"]`); status != 200 {
		t.Errorf("a rule: %d %s", status, out)
	}
	p.mustCommand("send", "jobs", `{"n": 0}`)
	if status, out := ask(`[]`); status != 200 || out != `{"rules":[]}`+"\n" {
		t.Errorf("no rules: %d %s", status, out)
	}
	p.mustCommand("send", "jobs", `{"n": 1}`)
	if out := p.mustCommand("receive", "jobs"); !strings.Contains(out, `"n":1`) {
		t.Errorf("received %s", out)
	}
}
