package asgitest

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of promises anew")

const begin, end = "<!-- suite: begin -->\n", "<!-- suite: end -->\n"

// TestEveryPromiseIsInTheTable keeps docs/specification.md true: a part of it
// is the list of what the suite checks. Run with -update to write it.
func TestEveryPromiseIsInTheTable(t *testing.T) {
	const file = "../../docs/specification.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	table, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no place for the table", file)
	}
	switch want := promises(); {
	case table == want:
	case *update:
		if err := os.WriteFile(file, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is not what the suite checks; go test ./asgi/asgitest -update writes it", file)
	}
}

func promises() string {
	var b strings.Builder
	b.WriteString("| promise | test |\n|---|---|\n")
	for _, s := range subjects {
		for _, p := range s.promises {
			test := s.name + "/" + strings.ReplaceAll(p.name, " ", "_")
			fmt.Fprintf(&b, "| %s | `%s` |\n", p.name, test)
		}
	}
	return b.String()
}

func TestPromisesHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range subjects {
		for _, p := range s.promises {
			if seen[p.name] {
				t.Errorf("two promises are named %q", p.name)
			}
			seen[p.name] = true
		}
	}
}
