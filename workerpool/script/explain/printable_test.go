package explain

import (
	"errors"
	"strings"
	"testing"
	"unicode"
)

func TestControlCharactersAreReplaced(t *testing.T) {
	const bad = "\x1b]0;title\a\u009b\x7f\u202e\u2066"
	for name, e := range map[string]Explanation{
		"syntax":  explained(t, "x = '"+bad+"' +\n"),
		"running": explained(t, "def f():\n\tfail('"+bad+"') # "+bad+"\nf()\n"),
		"name":    explained(t, "x = y # "+bad+"\n"),
		"place":   Error(placedIn{errors.New(bad + "\x00"), bad + "\x00"}, Options{Source: func(string) (string, bool) { return bad + "\x00", true }}),
	} {
		line, more := e.Split(false)
		page := Page{Status: 500, Explanation: e, Tables: []Table{{bad, []Row{{bad, bad}}}}}
		for kind, text := range map[string]string{"line": line, "lines": more, "text": string(page.Text()), "html": string(page.HTML())} {
			if i := strings.IndexFunc(text, func(r rune) bool {
				return unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r)
			}); i >= 0 {
				t.Errorf("%s, %s: %q", name, kind, text[i:min(len(text), i+20)])
			}
		}
	}
}

type placedIn struct {
	error
	file string
}

func (p placedIn) Place() (string, int, int) { return p.file, 1, 1 }
