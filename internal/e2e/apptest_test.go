package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"asgibox/internal/cli"
)

// TestExploreFindsThePlantedRace runs the tests of examples/race as a user does.
func TestExploreFindsThePlantedRace(t *testing.T) {
	run := func(args ...string) (string, int) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), binary(t), append([]string{"test"}, args...)...)
		cmd.Dir = "../../examples/race"
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return out.String(), cmd.ProcessState.ExitCode()
	}
	if out, status := run(); status != 0 {
		t.Fatalf("without --explore: status %d\n%s", status, out)
	}
	found, status := run("--explore", "200")
	seed := regexp.MustCompile(`--seed (\d+) repeats it`).FindStringSubmatch(found)
	if status != 1 || seed == nil {
		t.Fatalf("with --explore: status %d\n%s", status, found)
	}
	for _, step := range []string{"add (app.star:8) #1 starts", "add (app.star:8) #2 starts", "#1 waits", "add (app.star:8) #1 goes on"} {
		if !strings.Contains(found, step) {
			t.Errorf("the schedule does not show %q:\n%s", step, found)
		}
	}
	repeated, status := run("--seed", seed[1])
	durations := regexp.MustCompile(`[\d.]+ (µs|ms|s)\b`)
	if a, b := durations.ReplaceAllString(found, ""), durations.ReplaceAllString(repeated, ""); status != 1 || a != b {
		t.Errorf("--seed %s: status %d\n%s\nwant\n%s", seed[1], status, repeated, found)
	}
}

func TestTestsThatAreMissing(t *testing.T) {
	for _, name := range []string{filepath.Join(t.TempDir(), "no_test.star"), ""} {
		status, out := runCommand(t, "test", name)
		if status != 1 {
			t.Errorf("test %q: status %d", name, status)
		}
		expectText(t, out, fmt.Sprintf("there is no file or folder %q; without arguments, asgibox test runs", name))
	}
}

// TestInterruptedTestsHaveAStatusOfTheirOwn checks that Ctrl-C is not taken for a
// test that failed.
func TestInterruptedTestsHaveAStatusOfTheirOwn(t *testing.T) {
	app := writeApp(t, "channel_routing = []\n")
	if err := os.WriteFile(filepath.Join(filepath.Dir(app), "app_test.star"), []byte(`
def test_long(client):
    print("it runs")
    for i in range(1 << 40):
        pass
`), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	var out strings.Builder
	if status := cli.Run(ctx, []string{"test", "--timeout", "1h", filepath.Dir(app)}, strings.NewReader(""), &out, &out); status != 130 {
		t.Errorf("status %d\n%s", status, &out)
	}
	expectText(t, out.String(), "the tests were interrupted")
}
