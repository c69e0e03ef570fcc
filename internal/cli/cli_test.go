package cli

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// fullDevice is a writer without space.
type fullDevice struct{}

func (fullDevice) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestOutputThatCannotBeWrittenIsAnError(t *testing.T) {
	for _, args := range []string{"", "version", "--version", "--help", "run --help", "help run", "completion bash", "group"} {
		var stderr strings.Builder
		status := Run(t.Context(), strings.Fields(args), strings.NewReader(""), fullDevice{}, &stderr)
		if status != 1 || !strings.Contains(stderr.String(), "no space left on device") {
			t.Errorf("%q: status %d, %q", args, status, stderr.String())
		}
		if status := Run(t.Context(), strings.Fields(args), strings.NewReader(""), io.Discard, &stderr); status != 0 {
			t.Errorf("%q: status %d with a good output", args, status)
		}
	}
}

func TestErrorsDoNotControlTheTerminal(t *testing.T) {
	for _, args := range []string{"run \x1b[31m.star", "run app.star --session-cookie \x1b", "routes \x1b[31m.star", "\x1b", "--\x1b"} {
		var stderr strings.Builder
		status := Run(t.Context(), strings.Fields(args), strings.NewReader(""), io.Discard, &stderr)
		if status != 1 || strings.Contains(stderr.String(), "\x1b") {
			t.Errorf("%q: status %d, %q", args, status, stderr.String())
		}
	}
}

func TestASessionCookieDoesNotHaveTheNameOfAnother(t *testing.T) {
	for _, name := range []string{"asgibox_control", "asgibox_control_8001", "a;b"} {
		var stderr strings.Builder
		status := Run(t.Context(), []string{"run", "missing.star", "--session-cookie", name}, strings.NewReader(""), io.Discard, &stderr)
		if status != 1 || !strings.Contains(stderr.String(), "--session-cookie") {
			t.Errorf("%q: status %d, %q", name, status, stderr.String())
		}
	}
}

func TestEveryCommandHasExamplesThatParse(t *testing.T) {
	shown := map[string]bool{}
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		for _, inner := range cmd.Commands() {
			if !inner.Hidden && inner.Name() != "completion" && inner.Name() != "help" {
				visit(inner)
			}
		}
		if !cmd.HasParent() {
			return
		}
		path := strings.TrimPrefix(cmd.CommandPath(), "asgibox ")
		shown[path] = true
		if lines := strings.Split(cmd.Example, "\n"); cmd.Example == "" || len(lines) > 3 {
			t.Errorf("%s has %d examples", path, len(lines))
		}
		if out := help(t, strings.Fields(path)...); !strings.Contains(out, "Examples:\n"+cmd.Example+"\n") {
			t.Errorf("the help of %s lacks its examples:\n%s", path, out)
		}
		for _, line := range strings.Split(cmd.Example, "\n") {
			line, _, _ = strings.Cut(line, " #")
			words := shellWords(line)
			found, args, err := NewRoot().Find(words[1:])
			if err == nil {
				err = found.ParseFlags(args)
			}
			if err == nil && found.Args != nil {
				err = found.Args(found, found.Flags().Args())
			}
			if words[0] != "asgibox" || err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
	visit(NewRoot())
	for path := range commandExamples {
		if !shown[path] {
			t.Errorf("there are examples of %s, which is no command", path)
		}
	}
}

// help returns the help of a command.
func help(t *testing.T, path ...string) string {
	t.Helper()
	var out, errOut bytes.Buffer
	if status := Run(t.Context(), append(path, "--help"), strings.NewReader(""), &out, &errOut); status != 0 {
		t.Fatalf("status %d: %s", status, errOut.String())
	}
	return out.String()
}

// shellWords splits a line as a shell does. It drops a redirection.
func shellWords(line string) (words []string) {
	line, _, _ = strings.Cut(line, " < ")
	for _, m := range regexp.MustCompile(`'([^']*)'|"([^"]*)"|(\S+)`).FindAllStringSubmatch(line, -1) {
		words = append(words, m[1]+m[2]+m[3])
	}
	return words
}
