package script

import (
	"testing"

	"go.starlark.net/starlark"
)

// Loops call channelNames for each message.
func TestChannelNamesOfOneChannelDoesNotAllocate(t *testing.T) {
	r := new(run)
	var name starlark.Value = starlark.String("http.request")
	n := testing.AllocsPerRun(100, func() {
		if names, err := r.channelNames("receive", name); err != nil || names[0] != "http.request" {
			t.Fatal(names, err)
		}
	})
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
}
