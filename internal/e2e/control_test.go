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
	p.waitFor(`generation 1`)
	inside := filepath.Join(p.dir, "deep", "er")
	if err := os.MkdirAll(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(inside)
	if status, out := runCommand(t, "stats"); status != 0 || !strings.Contains(out, "generation 1") {
		t.Errorf("from below: %d %s", status, out)
	}
	if status, out := runCommand(t, "stats", "--store", filepath.Join(p.dir, ".asgibox", "channels.db")); status != 0 {
		t.Errorf("by its store: %d %s", status, out)
	}
	t.Chdir(t.TempDir())
	if status, out := runCommand(t, "stats"); status != 1 || !strings.Contains(out, "no server runs on a store in this folder or above") {
		t.Errorf("from another folder: %d %s", status, out)
	}
	if status, out := runCommand(t, "stats", "--control", "127.0.0.1:1"); status != 1 || !strings.Contains(out, "is asgibox running?") {
		t.Errorf("no server: %d %s", status, out)
	}
}

func TestControlServerOnOtherAddressesRequiresAToken(t *testing.T) {
	p := start(t, chatApp, "--store", "memory", "--control", "0.0.0.0:0")
	url := p.controlURL()
	base, _, ok := strings.Cut(url, "?token=")
	if !ok {
		t.Fatalf("no token in %s", url)
	}
	if status, out := runCommand(t, "stats", "--control", url); status != 0 {
		t.Errorf("with the token: %d %s", status, out)
	}
	if status, out := runCommand(t, "stats", "--control", base); status != 1 || !strings.Contains(out, "token") {
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

func TestTokenComesFromFlagOrEnvironment(t *testing.T) {
	p := start(t, chatApp, "--store", "memory", "--control", "0.0.0.0:0")
	base, token, _ := strings.Cut(p.controlURL(), "?token=")
	if status, out := runCommand(t, "stats", "--control", base, "--token", token); status != 0 {
		t.Errorf("by the flag: %d %s", status, out)
	}
	t.Setenv("ASGIBOX_CONTROL", base)
	t.Setenv("ASGIBOX_TOKEN", token)
	if status, out := runCommand(t, "stats"); status != 0 {
		t.Errorf("by the environment: %d %s", status, out)
	}
	if status, out := runCommand(t, "stats", "--token", "wrong"); status != 1 || !strings.Contains(out, "--token") {
		t.Errorf("a wrong token: %d %s", status, out)
	}
}

func TestCommandsRejectOtherServers(t *testing.T) {
	p := start(t, chatApp, "--store", "memory")
	if status, out := runCommand(t, "stats", "--control", p.url); status != 1 || !strings.Contains(out, "is it an asgibox control server?") {
		t.Errorf("the application's own port: %d %s", status, out)
	}
	all := start(t, "def page(message):\n    message.reply({\"status\": 200, \"content\": \"<p>\"})\n\nchannel_routing = {\"http.request\": page}\n", "--store", "memory")
	if status, out := runCommand(t, "stats", "--control", all.url); status != 1 || !strings.Contains(out, "is not from an asgibox control server") {
		t.Errorf("a port that serves every path: %d %s", status, out)
	}
}

func TestControlOffStartsNoControlServer(t *testing.T) {
	p := start(t, chatApp, "--control", "off")
	if strings.Contains(p.out.String(), "inspector ") {
		t.Errorf("a control server runs:\n%s", p.out)
	}
	if status, out := runCommand(t, "stats", "--store", filepath.Join(p.dir, ".asgibox", "channels.db")); status != 1 || !strings.Contains(out, "--control off") {
		t.Errorf("stats: %d %s", status, out)
	}
}

func TestUsedControlPortIsAnErrorIfGiven(t *testing.T) {
	p := start(t, chatApp, "--store", "memory", "--control", "127.0.0.1:0")
	taken := p.controlAddress()
	p.save("other.star", chatApp)
	status, out := runCommand(t, "run", filepath.Join(p.dir, "other.star"), "--port", "0", "--store", "memory", "--control", taken)
	if status != 1 || !strings.Contains(out, "cannot listen on --control "+taken) {
		t.Errorf("%d %s", status, out)
	}
}
