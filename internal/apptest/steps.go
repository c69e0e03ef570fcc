package apptest

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"asgibox/workerpool/script"
)

// A Step is a call that a handler made, or the start of a handler.
type Step struct {
	Handler  string `json:"handler"`            // name and place; with a number if several messages had the same handler
	Channel  string `json:"channel"`            // of the message that is handled
	Call     string `json:"call,omitempty"`     // like state.get; empty at the start
	Place    string `json:"place,omitempty"`    // file:line, from the current folder
	Line     string `json:"line,omitempty"`     // the source line
	Switched bool   `json:"switched,omitempty"` // the handler before could have gone on
	Fault    string `json:"fault,omitempty"`    // what happened to the message that was sent
}

// steps returns the steps of a test that has ended, from the handler on that ran
// before the first unusual decision.
func (w *world) steps() []Step {
	taken := w.schedule.taken
	first := max(slices.IndexFunc(taken, func(s step) bool { return s.switched || s.fault != "" }), 0)
	for last := max(first-1, 0); first > 0 && taken[first-1].Message == taken[last].Message; first-- {
	}
	folder := filepath.Dir(w.file.app)
	label := labels(taken)
	lines := sourceLines{folder: folder, files: map[string][]string{}}
	var steps []Step
	for _, s := range taken[first:] {
		place := s.Place
		if place != "" {
			place = filepath.Join(folder, filepath.FromSlash(place))
		}
		steps = append(steps, Step{
			Handler: label(s.Step), Channel: s.Channel, Call: s.Call, Place: place, Line: lines.at(s.Place),
			Switched: s.switched, Fault: s.fault,
		})
	}
	return steps
}

// labels returns a function that names the handler of a step. Handlers of several
// messages have numbers.
func labels(taken []step) func(script.Step) string {
	numbers := map[string][]uint64{} // messages by handler
	name := func(s script.Step) string {
		if s.Message == 0 {
			return "the start"
		}
		return cmp.Or(s.Handler, "loop")
	}
	for _, s := range taken {
		if messages := numbers[name(s.Step)]; !slices.Contains(messages, s.Message) {
			numbers[name(s.Step)] = append(messages, s.Message)
		}
	}
	return func(s script.Step) string {
		messages := numbers[name(s)]
		if len(messages) == 1 {
			return name(s)
		}
		return fmt.Sprintf("%s #%d", name(s), slices.Index(messages, s.Message)+1)
	}
}

// sourceLines reads lines of the application's files.
type sourceLines struct {
	folder string
	files  map[string][]string
}

// at returns the line at a place like app.star:3, or "".
func (l sourceLines) at(place string) string {
	file, number, _ := strings.Cut(place, ":")
	n, err := strconv.Atoi(number)
	if err != nil {
		return ""
	}
	if _, known := l.files[file]; !known {
		text, err := os.ReadFile(filepath.Join(l.folder, filepath.FromSlash(file)))
		if err != nil {
			return ""
		}
		l.files[file] = strings.Split(string(text), "\n")
	}
	if n > len(l.files[file]) {
		return ""
	}
	return strings.TrimSpace(l.files[file][n-1])
}

// maxSteps is how many steps are printed.
const maxSteps = 60

// stepsText returns steps as lines that a person can follow.
func stepsText(steps []Step) string {
	var b strings.Builder
	handler, omitted := "", 0
	if n := len(steps) - maxSteps; n > 0 {
		steps, omitted = steps[:maxSteps], n
	}
	for i, s := range steps {
		if s.Handler != handler || s.Call == "" {
			handler = s.Handler
			verb := "goes on"
			if s.Call == "" {
				verb = "starts with a message on " + s.Channel
			}
			if s.Switched {
				verb += ", while " + steps[max(i-1, 0)].Handler + " waits"
			}
			fmt.Fprintf(&b, "%s %s\n", handler, verb)
		}
		if s.Call != "" {
			place := s.Place
			if place == "" {
				place = s.Call
			}
			fmt.Fprintf(&b, "  %s  %s\n", place, s.Line)
		}
		if s.Fault != "" {
			fmt.Fprintf(&b, "    %s (--faults)\n", s.Fault)
		}
	}
	if omitted > 0 {
		fmt.Fprintf(&b, "and %d more\n", omitted)
	}
	return b.String()
}
