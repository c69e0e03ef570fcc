package script

import (
	"testing"

	"go.starlark.net/starlark"
)

// TestNamingOneChannelAllocatesNothing: loops do so for each message.
func TestNamingOneChannelAllocatesNothing(t *testing.T) {
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
