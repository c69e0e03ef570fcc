package explain

import (
	"fmt"
	"strings"
)

// mostFrames are shown of a long way; the calls between are counted.
const mostFrames = 12

// Text answers the explanation as a terminal shows it, in lines that each end
// in a newline: the way to the error, the guilty line marked, what happened
// and what to do.
func (e Explanation) Text(colour bool) string {
	p := printer{paint: colour}
	p.explanation(e)
	for _, more := range e.More {
		p.out.WriteByte('\n')
		p.explanation(more)
	}
	return p.out.String()
}

type printer struct {
	out   strings.Builder
	paint bool
}

const (
	red   = "31;1"
	green = "32"
	faint = "2"
	bold  = "1"
)

func (p *printer) ink(style, s string) string {
	if !p.paint || s == "" {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}

func (p *printer) explanation(e Explanation) {
	fmt.Fprintln(&p.out, p.ink(red, e.Message))
	if e.Hint != "" {
		fmt.Fprintln(&p.out, p.ink(green, "→ "+e.Hint))
	}
	frames, left := shown(e.Frames)
	for i, f := range frames {
		if left > 0 && i == mostFrames/2 {
			fmt.Fprintf(&p.out, "\n  … %d more calls …\n", left)
		}
		p.frame(f)
	}
}

func (p *printer) frame(f Frame) {
	where := p.ink(bold, f.String())
	if f.Func != "" {
		where += " in " + f.Func
	}
	fmt.Fprintf(&p.out, "\n  %s\n", where)
	for _, l := range f.Lines {
		if l.Number != f.Line {
			fmt.Fprintln(&p.out, p.ink(faint, fmt.Sprintf("%6d | %s", l.Number, l.Text)))
			continue
		}
		fmt.Fprintf(&p.out, "%6d | %s\n", l.Number, l.Text)
		if f.Col > 0 {
			fmt.Fprintf(&p.out, "       | %s%s\n", indent(l.Text, f.Col), p.ink(red, "^"))
		}
	}
}

// indent answers the blanks that stand under the characters before col; tabs
// stay tabs.
func indent(text string, col int) string {
	var b strings.Builder
	for _, c := range text {
		if col--; col < 1 {
			break
		}
		if c != '\t' {
			c = ' '
		}
		b.WriteRune(c)
	}
	return b.String() + strings.Repeat(" ", max(0, col-1))
}

// shown answers the frames to show and how many were left out, in the middle.
func shown(frames []Frame) ([]Frame, int) {
	left := len(frames) - mostFrames
	if left <= 0 {
		return frames, 0
	}
	head := frames[:mostFrames/2]
	tail := frames[len(frames)-mostFrames/2:]
	return append(head[:len(head):len(head)], tail...), left
}
