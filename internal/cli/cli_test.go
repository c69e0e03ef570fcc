package cli

import (
	"errors"
	"io"
	"strings"
	"testing"
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
