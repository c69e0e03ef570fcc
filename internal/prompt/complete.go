package prompt

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	tab = '\t'
	// indentation is what Tab inserts at the start of a line.
	indentation = "    "
	// maxNames is how many names Tab lists.
	maxNames = 100
	// completionTime limits the time of one completion, which may ask a server.
	completionTime = 2 * time.Second
)

// complete handles a key in a line with the cursor at pos. For Tab it inserts
// what all names have in common. If that is nothing more, it lists the names.
func (t *Terminal) complete(line string, pos int, key rune) (string, int, bool) {
	if key != tab {
		return "", 0, false
	}
	before, after := line[:pos], line[pos:]
	if strings.TrimSpace(before) == "" {
		return before + indentation + after, pos + len(indentation), true
	}
	ctx, cancel := context.WithTimeout(t.ctx, completionTime)
	defer cancel()
	start, names := t.options.Complete(ctx, before)
	if len(names) == 0 {
		return line, pos, true
	}
	common := commonPrefix(names)
	if start+len(common) <= pos && len(names) > 1 {
		_, _ = t.Write([]byte(columns(names, t.Width()))) // an error shows again at the next write
		return line, pos, true
	}
	return before[:start] + common + after, start + len(common), true
}

// commonPrefix returns the longest text that all names begin with.
func commonPrefix(names []string) string {
	common := names[0]
	for _, name := range names[1:] {
		for !strings.HasPrefix(name, common) {
			_, size := utf8.DecodeLastRuneInString(common)
			common = common[:len(common)-size]
		}
	}
	return common
}

// columns returns lines of names that are sorted down the columns.
func columns(names []string, width int) string {
	more := max(0, len(names)-maxNames)
	names = names[:len(names)-more]
	widest := 0
	for _, name := range names {
		widest = max(widest, utf8.RuneCountInString(name)+2)
	}
	perLine := max(1, width/widest)
	lines := (len(names) + perLine - 1) / perLine
	var b strings.Builder
	for i := range lines {
		var line strings.Builder
		for j := i; j < len(names); j += lines {
			fmt.Fprintf(&line, "%-*s", widest, names[j])
		}
		fmt.Fprintln(&b, strings.TrimRight(line.String(), " "))
	}
	if more > 0 {
		fmt.Fprintf(&b, "… and %d more\n", more)
	}
	return b.String()
}
