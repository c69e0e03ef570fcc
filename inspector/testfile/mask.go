package testfile

import (
	"regexp"
	"slices"
	"strings"

	"asgibox/asgi"
	"asgibox/inspector/playback"
)

// A masker writes ANY for the parts of values that differ in each run. The zero
// masker writes values as they are.
type masker struct {
	varying []*regexp.Regexp
	given   map[string]bool // UUIDs in the texts that the test sends or sets: they are the same in each run

	captured  map[string]bool   // UUIDs that the test takes from a reply
	variables map[string]string // the variables that have them

	onlyVariables bool // no ANY
}

// maxHosts is how many hosts count as names, and maxHost how long each may be, in bytes.
// Clients choose them.
const (
	maxHosts = 100
	maxHost  = 300
)

// findNames makes a pattern of the names that differ in each run: those of the
// connections, and the addresses of the server.
func (r *recording) findNames() {
	var names []string
	hosts := map[string]bool{}
	for _, c := range r.connections {
		names = append(names, regexp.QuoteMeta(c.first.Text(asgi.KeyReplyChannel)))
		host := header(c.first, "host")
		if strings.Contains(host, ":") && len(host) <= maxHost && len(hosts) < maxHosts && !hosts[host] {
			hosts[host] = true
			names = append(names, regexp.QuoteMeta(host))
		}
	}
	r.names = regexp.MustCompile(`(?:` + strings.Join(names, "|") + `)\b`) // one name may begin with another
}

// newMasker returns a masker for the replies of a recording.
func newMasker(r *recording, k *conversation) *masker {
	m := &masker{
		varying: []*regexp.Regexp{r.names, playback.Varying}, given: map[string]bool{},
		captured: k.findCaptured(), variables: map[string]string{},
	}
	exact := masker{}
	for _, c := range k.connections {
		for _, in := range c.inputs {
			m.give(exact.flat(in.Content.Dict))
		}
	}
	return m
}

// partsLikeUUIDs matches UUIDs, also as parts of words.
var partsLikeUUIDs = regexp.MustCompile(strings.ReplaceAll(uuids.String(), `\b`, ""))

// give notes a text that the test sends or sets.
func (m *masker) give(text string) {
	for _, id := range partsLikeUUIDs.FindAllString(text, -1) {
		m.given[id] = true
	}
}

// captures reports whether the test has to take a UUID from the present reply.
func (m *masker) captures(id string) bool { return m.captured[id] && m.variables[id] == "" }

// uuid matches a UUID.
var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}$`)

// text writes a text, with ANY or a variable for each part that varies.
func (m *masker) text(s string) string {
	var spans [][]int
	for _, pattern := range m.varying {
		spans = append(spans, pattern.FindAllStringIndex(s, -1)...)
	}
	slices.SortStableFunc(spans, func(a, b []int) int { return a[0] - b[0] })
	var parts []string
	from := 0
	for _, span := range spans {
		part := m.part(s[span[0]:span[1]])
		if span[0] < from || part == "" {
			continue
		}
		if span[0] > from {
			parts = append(parts, quote(s[from:span[0]]))
		}
		parts, from = append(parts, part), span[1]
	}
	if from < len(s) || s == "" {
		parts = append(parts, quote(s[from:]))
	}
	return strings.Join(parts, " + ")
}

// part writes a part that may vary. It returns "" for one that does not.
func (m *masker) part(found string) string {
	name := m.variables[found]
	switch {
	case name != "":
		return name
	case found == "", m.onlyVariables, uuid.MatchString(found) && !m.captured[found] && m.given[found]:
		return ""
	}
	return "ANY"
}

// seconds matches seconds since 1970, and their parts.
var seconds = regexp.MustCompile(`^1[5-9]\d{8}(\.\d+|\d{3}(\.\d+)?|\d{6}|\d{9})?$`)

// number writes a number, or ANY for a time.
func (m *masker) number(text string) string {
	if m.varying != nil && !m.onlyVariables && seconds.MatchString(text) {
		return "ANY"
	}
	return text
}
