package explain

import (
	"fmt"
	"slices"
	"strings"
)

// MaxFrames is how many frames of a long call stack are shown. The frames in
// the middle are only counted.
const MaxFrames = 12

// Text returns the explanation for a terminal: the message, the hint and the
// call stack with the place of the error marked. Each line ends in a newline.
func (e Explanation) Text(color bool) string {
	return e.text(printer{color: color})
}

func (e Explanation) text(p printer) string {
	p.explanation(e)
	for _, more := range e.More {
		p.out.WriteByte('\n')
		p.explanation(more)
	}
	return p.out.String()
}

type printer struct {
	out    strings.Builder
	color  bool
	locals bool
}

const (
	red   = "31;1"
	green = "32"
	faint = "2"
	bold  = "1"
)

func (p *printer) styled(code, s string) string {
	if !p.color || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p *printer) explanation(e Explanation) {
	fmt.Fprintln(&p.out, p.styled(red, e.Message))
	if e.Hint != "" {
		fmt.Fprintln(&p.out, p.styled(green, "→ "+e.Hint))
	}
	frames, omitted := shown(e.Frames)
	for i, f := range frames {
		if omitted > 0 && i == MaxFrames/2 {
			fmt.Fprintf(&p.out, "\n  … %d more calls …\n", omitted)
		}
		p.frame(f)
	}
}

func (p *printer) frame(f Frame) {
	where := p.styled(bold, f.String())
	if f.Func != "" {
		where += " in " + f.Func
	}
	fmt.Fprintf(&p.out, "\n  %s\n", where)
	for _, l := range f.Lines {
		if l.Number != f.Line {
			fmt.Fprintln(&p.out, p.styled(faint, fmt.Sprintf("%6d | %s", l.Number, l.Text)))
			continue
		}
		fmt.Fprintf(&p.out, "%6d | %s\n", l.Number, l.Text)
		if f.Col > 0 {
			fmt.Fprintf(&p.out, "       | %s%s\n", indent(l.Text, f.Col), p.styled(red, "^"))
		}
	}
	if p.locals {
		for _, v := range f.Locals {
			fmt.Fprintf(&p.out, "         %s = %s\n", v.Name, v.Value)
		}
	}
}

// indent returns the blanks that put a mark under column col of text. Tabs
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

// Shown returns the frames to show and the number of frames left out in their
// middle.
func (e Explanation) Shown() ([]Frame, int) { return shown(e.Frames) }

// shown returns the frames to show and the number of frames left out between
// them.
func shown(frames []Frame) (shown []Frame, omitted int) {
	omitted = len(frames) - MaxFrames
	if omitted <= 0 {
		return frames, 0
	}
	return slices.Concat(frames[:MaxFrames/2], frames[len(frames)-MaxFrames/2:]), omitted
}
