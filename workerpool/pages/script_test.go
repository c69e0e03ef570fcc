package pages

import (
	"os"
	"os/exec"
	"testing"
)

// TestOpenPageKeepsItsMemory runs the script of pages through many states.
func TestOpenPageKeepsItsMemory(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	cmd := exec.CommandContext(t.Context(), node, "--expose-gc", "-")
	cmd.Stdin, err = os.Open("testdata/states.js")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
