package playback

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"asgibox/asgi"
)

// gotLines returns the present replies as lines. If the recording has only the
// start of a response, gotLines returns no more messages than the recording has.
func (c *connection) gotLines() []string {
	got := c.got
	if n := len(c.want); !c.socket && len(got) > n && (n == 0 || unfinished(c.want[n-1])) {
		got = got[:n]
	}
	return c.lines(got)
}

// lines returns replies as lines, one for each thing that the client can see.
func (c *connection) lines(replies []asgi.Message) []string {
	if c.socket {
		return frameLines(replies)
	}
	return responseLines(replies)
}

func unfinished(m asgi.Message) bool {
	more, _ := m.Get(asgi.KeyMoreContent)
	return more == true
}

// responseLines returns the status, the headers and the lines of the content.
// Of an error page it returns the message only, because the rest describes the
// source and the generation, which an edit changes.
func responseLines(replies []asgi.Message) (lines []string) {
	var body strings.Builder
	failed := false
	for _, m := range replies {
		if m.Has(asgi.KeyStatus) {
			lines = append(lines, fmt.Sprint(m.Int(asgi.KeyStatus)))
		}
		headers, _ := m.Get(asgi.KeyHeaders)
		lines = append(lines, headerLines(headers)...)
		body.WriteString(m.Octets(asgi.KeyContent))
		abort, _ := m.Get(asgi.KeyAbort)
		failed = failed || abort == true
	}
	if n := len(replies); n > 0 && unfinished(replies[n-1]) {
		body.WriteString("\n(to be continued)")
	}
	if body.Len() == 0 {
		return lines
	}
	content := contentLines(body.String())
	if failed {
		content = errorLines(content)
	}
	return append(lines, content...)
}

// errorLines returns the lines of an error page that have its message: of HTML
// the headings, of text the first lines.
func errorLines(page []string) (lines []string) {
	for _, line := range page {
		if strings.HasPrefix(line, "<h1>") {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		lines = page[:min(3, len(page))]
	}
	return lines
}

// headerLines returns headers in order of their names. It leaves out the
// length, which the content shows, and the values of cookies, which differ for
// each browser.
func headerLines(headers any) (lines []string) {
	list, _ := headers.(asgi.List)
	for _, item := range list.All() {
		pair, ok := item.(asgi.List)
		if !ok || pair.Len() != 2 {
			continue
		}
		name, value := strings.ToLower(pair.Octets(0)), pair.Octets(1)
		switch name {
		case "content-length", "date":
			continue
		case "set-cookie":
			cookie, _, _ := strings.Cut(value, "=")
			value = cookie + "=…"
		}
		lines = append(lines, name+": "+value)
	}
	slices.Sort(lines)
	return lines
}

// frameLines returns the frames that a WebSocket was sent.
func frameLines(replies []asgi.Message) (lines []string) {
	for _, m := range replies {
		if accept, given := m.Get(asgi.KeyAccept); given && accept != nil {
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("accept %v %s", accept, m.Text(asgi.KeySubprotocol))))
		}
		for _, key := range []string{asgi.KeyText, asgi.KeyBytes} {
			if v, given := m.Get(key); given && v != nil {
				for i, line := range contentLines(m.Octets(key)) {
					if i == 0 {
						line = key + " " + line
					}
					lines = append(lines, line)
				}
			}
		}
		if code, given := m.Get(asgi.KeyClose); given && code != nil && code != false {
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("close %v %s", code, m.Text(asgi.KeyReason))))
		}
	}
	return lines
}

// contentLines returns the lines of a text, or length and hash of other bytes.
func contentLines(content string) []string {
	if !utf8.ValidString(content) || strings.ContainsRune(content, 0) {
		return []string{fmt.Sprintf("%d bytes, SHA-256 %.8x…", len(content), sha256.Sum256([]byte(content)))}
	}
	return strings.Split(content, "\n")
}

// Varying matches texts that differ each time: times, dates and random names.
var Varying = regexp.MustCompile(strings.Join([]string{
	`\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?)?(Z| ?[+-]\d\d:?\d\d)?`,          // 2026-01-31T10:00:00Z
	`(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? \d\d?[ -][A-Z][a-z]+[ -]\d\d(\d\d)?`,       // Sat, 31 Jan 2026
	`\b\d\d?:\d\d(:\d\d([.,]\d+)?)?\b`,                                                // 10:00:00
	`\b1[5-9]\d{8}(\.\d+|\d{3}(\.\d+)?|\d{6}|\d{9})?\b`,                               // seconds since 1970, and their parts
	`\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b`, // UUIDs
	`\?[A-Z0-9]{16}\b`, // names from new_channel
}, "|"))

// place matches a line of an application, which any edit moves.
var place = regexp.MustCompile(`\.star:\d+(:\d+)?`)

// compare returns how two lists of lines differ, or nil if they are the same.
// Differences in names of connections, times, random names and places in the
// source do not count.
func compare(want, got []string, names *strings.Replacer) []string {
	steady := func(lines []string) []string {
		out := make([]string, len(lines))
		for i, line := range lines {
			out[i] = place.ReplaceAllString(Varying.ReplaceAllString(names.Replace(line), "…"), ".star:…")
		}
		return out
	}
	a, b := steady(want), steady(got)
	if slices.Equal(a, b) {
		return nil
	}
	return diff(want, got, func(i, j int) bool { return a[i] == b[j] })
}

const (
	diffLines   = 300 // lines of each side that are compared
	diffLength  = 300 // bytes of a line that are shown
	diffContext = 2   // lines that are shown around a difference
)

// diff returns the lines of both sides, with common lines once.
func diff(want, got []string, same func(i, j int) bool) []string {
	n, m := min(len(want), diffLines), min(len(got), diffLines)
	common := make([][]int, n+1) // lengths of the longest common subsequences of the rests
	for i := range common {
		common[i] = make([]int, m+1)
	}
	for i := n - 1; i >= 0; i-- {
		for j := m - 1; j >= 0; j-- {
			if same(i, j) {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var lines []string
	for i, j := 0, 0; i < n || j < m; {
		switch {
		case i < n && j < m && same(i, j):
			lines = append(lines, " "+shorten(want[i]))
			i, j = i+1, j+1
		case j == m || i < n && common[i+1][j] >= common[i][j+1]:
			lines = append(lines, "-"+shorten(want[i]))
			i++
		default:
			lines = append(lines, "+"+shorten(got[j]))
			j++
		}
	}
	if len(want) > n || len(got) > m {
		lines = append(lines, fmt.Sprintf("+(recorded %d lines, now %d)", len(want), len(got)))
	}
	return around(lines)
}

// around returns the differences and the lines near them.
func around(lines []string) (shown []string) {
	near := make([]bool, len(lines))
	for i, line := range lines {
		if line[0] != ' ' {
			for j := max(0, i-diffContext); j <= min(len(lines)-1, i+diffContext); j++ {
				near[j] = true
			}
		}
	}
	for i, line := range lines {
		switch {
		case near[i]:
			shown = append(shown, line)
		case i > 0 && near[i-1]:
			shown = append(shown, " …")
		}
	}
	return shown
}

// shorten cuts a long line.
func shorten(line string) string {
	if len(line) <= diffLength {
		return line
	}
	return strings.ToValidUTF8(line[:diffLength], "") + "…"
}
