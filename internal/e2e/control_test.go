package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
