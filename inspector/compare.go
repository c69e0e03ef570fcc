package inspector

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"asgibox/asgi"
)

// wanted and told are what a connection was told, a line for each thing that
// its client could tell.
func (c *conversation) wanted() []string { return c.transcript(c.want) }

// A response that the recording has only the beginning of is compared so far.
func (c *conversation) told() []string {
	got := c.got
	if n := len(c.want); !c.socket && len(got) > n && (n == 0 || unfinished(c.want[n-1])) {
		got = got[:n]
	}
	return c.transcript(got)
}

func (c *conversation) transcript(replies []asgi.Message) []string {
	if c.socket {
		return frames(replies)
	}
	return respond(replies)
}

func unfinished(m asgi.Message) bool {
	more, _ := m.Get("more_content")
	return more == true
}

// respond is a response: its status, its headers, and its content by lines.
func respond(replies []asgi.Message) (lines []string) {
	var body strings.Builder
	for _, m := range replies {
		if m.Has("status") {
			lines = append(lines, fmt.Sprint(m.Int("status")))
		}
		if headers, ok := listOf(m.Get("headers")); ok {
			pairs, _ := headersOf(headers) // what is none is shown as nothing
			lines = append(lines, headerLines(pairs)...)
		}
		body.WriteString(content(m, "content"))
	}
	if n := len(replies); n > 0 && unfinished(replies[n-1]) {
		body.WriteString("\n(to be continued)")
	}
	if body.Len() == 0 {
		return lines
	}
	return append(lines, readable(body.String())...)
}

// headerLines leaves out how long the content is, which the content says. Of a
// cookie its name counts: values are made anew for every browser.
func headerLines(pairs [][2]string) (lines []string) {
	for _, h := range pairs {
		name, value := strings.ToLower(h[0]), h[1]
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

// frames is what a socket was sent.
func frames(replies []asgi.Message) (lines []string) {
	for _, m := range replies {
		if accept, given := m.Get("accept"); given && accept != nil {
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("accept %v %s", accept, m.Text("subprotocol"))))
		}
		for _, key := range []string{"text", "bytes"} {
			if v, given := m.Get(key); given && v != nil {
				for i, line := range readable(content(m, key)) {
					if i == 0 {
						line = key + " " + line
					}
					lines = append(lines, line)
				}
			}
		}
		if code, given := m.Get("close"); given && code != nil && code != false {
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("close %v %s", code, m.Text("reason"))))
		}
	}
	return lines
}

// content is a text or a byte string.
func content(m asgi.Message, key string) string {
	if text := m.Text(key); text != "" {
		return text
	}
	return string(m.Bytes(key))
}

// readable is content by lines, or what stands for it if it is no text.
func readable(content string) []string {
	if !utf8.ValidString(content) || strings.ContainsRune(content, 0) {
		return []string{fmt.Sprintf("%d bytes, SHA-256 %.8x…", len(content), sha256.Sum256([]byte(content)))}
	}
	return strings.Split(content, "\n")
}

// varying is what is different each time: times, dates and random names.
var varying = regexp.MustCompile(strings.Join([]string{
	`\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?)?(Z| ?[+-]\d\d:?\d\d)?`,          // 2026-01-31T10:00:00Z
	`(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? \d\d?[ -][A-Z][a-z]+[ -]\d\d(\d\d)?`,       // Sat, 31 Jan 2026
	`\b\d\d?:\d\d(:\d\d([.,]\d+)?)?\b`,                                                // 10:00:00
	`\b1[5-9]\d{8}(\.\d+|\d{3}(\.\d+)?|\d{6}|\d{9})?\b`,                               // seconds since 1970, and their parts
	`\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b`, // UUIDs
	`\?[A-Z0-9]{16}\b`, // channels that new_channel named
}, "|"))

// compared answers how two transcripts differ, or nil if they do not. Names of
// connections, times and random names are taken for each other.
func compared(want, got []string, names *strings.Replacer) []string {
	steady := func(lines []string) []string {
		out := make([]string, len(lines))
		for i, line := range lines {
			out[i] = varying.ReplaceAllString(names.Replace(line), "…")
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
	diffLines   = 300 // of each side are compared
	diffLength  = 300 // bytes of a line are shown
	diffContext = 2   // lines around a difference are shown
)

// diff answers the lines of both, those that are the same once.
func diff(want, got []string, same func(i, j int) bool) []string {
	n, m := min(len(want), diffLines), min(len(got), diffLines)
	common := make([][]int, n+1) // length of the longest common rest
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

// around keeps the differences and what is near them.
func around(lines []string) (kept []string) {
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
			kept = append(kept, line)
		case i > 0 && near[i-1]:
			kept = append(kept, " …")
		}
	}
	return kept
}

// shorten cuts a line where it is longer than anybody reads.
func shorten(line string) string {
	if len(line) <= diffLength {
		return line
	}
	return strings.ToValidUTF8(line[:diffLength], "") + "…"
}
