// Package command holds the parts that all commands of the program share:
// groups of flags and their environment variables, the exit status, the
// version and output helpers.
package command

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"golang.org/x/term"
)

// ExitError ends the program with a status after the command has reported
// everything itself.
type ExitError struct{ Status int }

func (e *ExitError) Error() string { return fmt.Sprintf("exit status %d", e.Status) }

// Interrupted is the exit status of a command that Ctrl-C or SIGTERM ends before it
// has done its work. A command that runs until it is stopped has the status 0.
const Interrupted = 130

// release is the version of a released binary, set by the linker.
var release string

// Version returns the release's version, or the version that the Go tool
// recorded in the binary, or "development".
func Version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "development"
}

// WriteJSON writes v as a line of JSON.
func WriteJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// Count returns "1 message" or "2 messages" for the noun "message".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// OnTerminal reports whether w is a terminal.
func OnTerminal(w io.Writer) bool {
	f := File(w)
	return f != nil && term.IsTerminal(int(f.Fd()))
}

// InColor reports whether w is a terminal that shows colors.
func InColor(w io.Writer) bool {
	return OnTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
