package apptest

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"asgibox/internal/command"
	"asgibox/internal/console"
)

// A Printer prints the results of a run for people.
type Printer struct {
	Out     io.Writer
	Verbose bool      // print a line for each test
	Status  io.Writer // shows a line with the progress; nil for none
	// Schedules is the number of schedules under which each test ran too.
	Schedules int

	count, failed int // in all files
	file          fileCount
}

// fileCount counts the results of one file.
type fileCount struct {
	path                   string
	passed, failed, broken int
}

// Add prints a result.
func (p *Printer) Add(r Result) {
	if r.File != p.file.path {
		p.endFile()
		p.file.path = r.File
	}
	p.count++
	p.clearStatus()
	switch {
	case r.Err == nil:
		p.file.passed++
		if p.Verbose {
			fmt.Fprintf(p.Out, "%s  %s: %s (%s)\n", p.styled(green, "pass"), r.File, r.Test, console.FormatDuration(r.Took))
			p.section("output of the application", r.Output)
		}
	default:
		p.failed++
		p.printFailure(r)
	}
	if p.Status != nil {
		fmt.Fprintf(p.Status, "%s, %d failed …", command.Count(p.count, "test"), p.failed)
	}
}

func (p *Printer) printFailure(r Result) {
	if r.Test == "" {
		p.file.broken++
		fmt.Fprintf(p.Out, "%s  %s does not load\n", p.styled(red, "FAIL"), r.File)
	} else {
		p.file.failed++
		fmt.Fprintf(p.Out, "%s  %s: %s (%s)\n", p.styled(red, "FAIL"), r.File, r.Test, console.FormatDuration(r.Took))
	}
	place := ""
	if f, ok := r.Explanation.Place(); ok {
		place = f.String() + ": "
	}
	fmt.Fprintf(p.Out, "%s%s\n", place, r.Explanation.Text(p.color()))
	if r.Seed > 0 {
		p.section(fmt.Sprintf("the shortest schedule that fails (--seed %d repeats it)", r.Seed), cmp.Or(stepsText(r.Steps), "the test did not stop"))
	}
	p.section("output of the application", r.Output)
}

// section prints a text under a title, if there is any.
func (p *Printer) section(title, text string) {
	if text != "" {
		fmt.Fprintf(p.Out, "  %s:\n%s\n\n", title, indented(indented(text)))
	}
}

// endFile prints the line of a file.
func (p *Printer) endFile() {
	f := p.file
	p.file = fileCount{}
	if f.path == "" || f.broken > 0 {
		return
	}
	p.clearStatus()
	if f.failed > 0 {
		fmt.Fprintf(p.Out, "%s  %s  %d of %s failed\n", p.styled(red, "FAIL"), f.path, f.failed, command.Count(f.passed+f.failed, "test"))
		return
	}
	fmt.Fprintf(p.Out, "%s    %s  %s\n", p.styled(green, "ok"), f.path, command.Count(f.passed, "test"))
}

// End prints the summary.
func (p *Printer) End(s Summary) {
	p.clearStatus()
	p.endFile()
	var parts []string
	for _, n := range []struct {
		count int
		text  string
	}{{s.Passed, "passed"}, {s.Failed, "failed"}} {
		if n.count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n.count, n.text))
		}
	}
	if s.Broken > 0 {
		parts = append(parts, command.Count(s.Broken, "file")+" did not load")
	}
	under := ""
	if p.Schedules > 0 && s.Failed+s.Broken == 0 {
		under = ", in order and under " + command.Count(p.Schedules, "schedule") + " each,"
	}
	if len(parts) > 0 {
		fmt.Fprintf(p.Out, "%s%s in %s\n", strings.Join(parts, ", "), under, console.FormatDuration(s.Took))
	}
}

func (p *Printer) clearStatus() {
	if p.Status != nil {
		fmt.Fprint(p.Status, "\r\x1b[K")
	}
}

const (
	red   = "31;1"
	green = "32"
)

func (p *Printer) color() bool { return command.InColor(p.Out) }

func (p *Printer) styled(code, text string) string {
	if !p.color() {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
