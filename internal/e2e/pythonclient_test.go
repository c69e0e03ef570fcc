package e2e

import (
	"bufio"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPythonProgramsUseTheLayer checks the Python package in a program that asgibox did
// not start, over HTTP and over the socket. The program makes the calls that the worker
// of Channels 1.1 makes.
func TestPythonProgramsUseTheLayer(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	p := start(t, `channel_routing = {"test.unused": lambda message: None}`, "--no-workers", "--channel-capacity", "test.full=3")
	control, err := url.Parse(p.controlURL())
	if err != nil {
		t.Fatal(err)
	}
	for name, arguments := range map[string]map[string]string{
		"http":   {"url": control.String()},
		"socket": {"socket": filepath.Join(p.dir, ".asgibox", "workers.sock")},
	} {
		t.Run(name, func(t *testing.T) {
			encoded, err := json.Marshal(arguments)
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), python, filepath.Join("testdata", "layer.py"), string(encoded))
			cmd.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join("..", "..", "python"), "PYTHONDONTWRITEBYTECODE=1")
			var errors strings.Builder
			cmd.Stderr = &errors
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
				cmd.Wait()
				t.Fatalf("the program printed %q, %v\n%s", line, err, errors.String())
			}
			for path, want := range map[string]string{"/a": "/a", "/stream": "012", "/b": "/b"} {
				if status, body := p.get(path); status != 200 || body != want {
					t.Errorf("%s: status %d, %q", path, status, body)
				}
			}
			p.mustCommand("send", "test.end", "{}")
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v\n%s", err, errors.String())
			}
		})
	}
}
