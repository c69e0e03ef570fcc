package apptest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"asgibox/examples/stubtest"
)

// TestEditorsKnowEveryName checks that the stubs for editors declare exactly the
// names that only tests have, and their members.
func TestEditorsKnowEveryName(t *testing.T) {
	stubs := stubtest.Tests(t)
	values := map[string]string{"Client": `client`, "WebSocket": `client.websocket("/")`, "Stream": `client.stream("/")`}
	var tests strings.Builder
	tests.WriteString("def test_members(client):\n")
	for class, value := range values {
		fmt.Fprintf(&tests, "    assert_equal(sorted(dir(%s)), %s)\n", value, strings.ReplaceAll(fmt.Sprintf("%q", stubs.Members[class]), `" "`, `", "`))
	}
	passes(t, `channel_routing = {"websocket.receive": lambda message: None}`, tests.String(), Options{})

	names := slices.Collect(maps.Keys(values))
	for name := range builtins(nil) {
		if _, inApplications := stubtest.Application(t).Names[name]; !inApplications {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if declared := slices.Sorted(maps.Keys(stubs.Names)); !slices.Equal(declared, names) {
		t.Errorf("the stubs declare\n%v, but tests have\n%v", declared, names)
	}
}
