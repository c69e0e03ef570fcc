package redisstore

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// Most tests wait for expiries, and the suite of asgitest has many of them. In
	// a fuzz test, the flag is the number of processes.
	if flag.Lookup("test.fuzz").Value.String() == "" {
		if err := flag.Set("test.parallel", "16"); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	stopShared()
	if code == 0 {
		if left := leaked(10 * time.Second); left != "" {
			fmt.Fprintln(os.Stderr, "leaked goroutines:\n"+left)
			code = 1
		}
	}
	os.Exit(code)
}

// leaked returns the stacks of the goroutines of layers that do not end within the
// timeout.
func leaked(timeout time.Duration) string {
	for deadline := time.Now().Add(timeout); ; time.Sleep(10 * time.Millisecond) {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		var left []string
		for _, g := range strings.Split(string(stacks), "\n\n") {
			if (strings.Contains(g, "asgibox/") || strings.Contains(g, "go-redis")) && !strings.Contains(g, "TestMain") {
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
