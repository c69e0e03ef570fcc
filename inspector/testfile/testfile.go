// Package testfile makes tests of an application from its recorded traffic: the
// text of a file that the command test runs.
//
// [Write] joins connections that depend on each other to a conversation
// (conversation.go), puts its messages in order (steps.go), and writes a test for
// each conversation (write.go, request.go, socket.go). literal.go writes values
// as Starlark, and mask.go replaces those that change from run to run.
package testfile

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"asgibox/asgi"
)

// Traffic is what a recording has.
type Traffic struct {
	Messages []Message // in the order in which they were sent
	Uses     []Use     // of state and sessions, in order
}

// A Message is a message from or to a protocol server.
type Message struct {
	ID      uint64
	Trace   asgi.TraceID
	Channel string
	Sent    time.Time
	Content asgi.Message
}

// A Use is one use of a value by an application.
type Use struct {
	Trace  asgi.TraceID
	Key    string
	Before any  // asgi.Absent if the key had no value
	After  any  // the same
	Read   bool // the result of the use depends on Before
}

// ErrNothing says that no conversation can be tested.
var ErrNothing = errors.New("there is no request and no WebSocket that a test could repeat")

// A File is a file of tests.
type File struct {
	Text    string
	Tests   int
	Skipped []string // why parts of the traffic are not in it
}

// Write returns the tests. It fails with [ErrNothing] if there are none.
func Write(t Traffic) (File, error) {
	r := read(t)
	f := File{Skipped: r.skipped}
	var tests []string
	names, seen := map[string]int{}, map[string]bool{}
	for _, c := range r.conversations() {
		body := write(c, r)
		if len(c.connections) == 1 && seen[body] {
			continue // the same request again
		}
		seen[body] = true
		name := c.name()
		if names[name]++; names[name] > 1 {
			name = fmt.Sprintf("%s_%d", name, names[name])
		}
		tests = append(tests, "def test_"+name+"(client):\n"+body)
	}
	if len(tests) == 0 {
		return f, ErrNothing
	}
	f.Tests = len(tests)
	f.Text = "# Recorded with asgibox. ANY stands for values that differ in each run.\n\n" + strings.Join(tests, "\n")
	if !strings.Contains(strings.Join(tests, ""), "ANY") {
		f.Text = "# Recorded with asgibox.\n\n" + strings.Join(tests, "\n")
	}
	return f, nil
}
