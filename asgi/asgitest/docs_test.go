package asgitest

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the table of promises")

const begin, end = "<!-- suite: begin -->\n", "<!-- suite: end -->\n"

// TestEveryPromiseIsInTheTable checks that the table of the suite's promises
// in promises.md is up to date. Run it with -update to rewrite the table.
func TestEveryPromiseIsInTheTable(t *testing.T) {
	const file = "../../internal/e2e/testdata/promises.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	table, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s lacks the marks around the table", file)
	}
	switch want := promises(); {
	case table == want:
	case *update:
		if err := os.WriteFile(file, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is out of date; run go test ./asgi/asgitest -update", file)
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
