package store

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// long runs the proofs for as long as it takes to believe them.
var long = flag.Bool("store.long", os.Getenv("ASGIBOX_LONG") != "", "run the long proofs (also ASGIBOX_LONG=1)")

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		child(path)
		return
	}
	flag.Parse()
	code := m.Run()
	if code == 0 {
		if left := leaked(5 * time.Second); left != "" {
			fmt.Fprintln(os.Stderr, "goroutines that nobody waited for:\n"+left)
			code = 1
		}
	}
	os.Exit(code)
}

// leaked answers the stacks of our goroutines that do not end in time.
func leaked(patience time.Duration) string {
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		var left []string
		for _, g := range strings.Split(string(stacks), "\n\n") {
			if strings.Contains(g, "asgibox/") && !strings.Contains(g, "TestMain") {
				left = append(left, g)
			}
		}
		if len(left) == 0 {
			return ""
		}
		if time.Now().After(deadline) {
			return strings.Join(left, "\n\n")
		}
	}
}

// rounds answers how often to repeat something: a few times, or as often as
// the long proofs do.
func rounds(few, many int) int {
	if *long {
		return many
	}
	return few
}
