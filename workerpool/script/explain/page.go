package explain

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
)

// A Page shows an explanation to somebody who develops an application.
type Page struct {
	Status      int    // of the response, like 500
	Title       string // "" is the name of the status
	Explanation Explanation
	Tables      []Table // the request, the message

	// Poll, if it is set, is a URL that the page asks once a second; the
	// page loads itself again when the answer is no longer Version. Both
	// are the caller's.
	Poll    string
	Version string
}

// A Table is a list of names and values.
type Table struct {
	Title string
	Rows  []Row
}

// A Row is one name and its value.
type Row struct{ Name, Value string }

//go:embed page.html
var pageSource string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"mark": mark,
}).Parse(pageSource))

// Heading answers the title, or the name of the status.
func (p Page) Heading() string {
	if p.Title != "" {
		return p.Title
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", p.Status, http.StatusText(p.Status)))
}

// HTML answers the page for browsers.
func (p Page) HTML() []byte {
	var all []part
	for _, e := range append([]Explanation{p.Explanation}, p.Explanation.More...) {
		frames, left := shown(e.Frames)
		all = append(all, part{e, frames, left})
	}
	var b bytes.Buffer
	err := pageTemplate.Execute(&b, struct {
		Page
		Parts []part
	}{p, all})
	if err != nil {
		return p.Text()
	}
	return b.Bytes()
}

// A part is an explanation as the page shows it.
type part struct {
	Explanation
	Shown []Frame
	Left  int
}

// Text answers the page for everything that is no browser.
func (p Page) Text() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s", p.Heading(), p.Explanation.Text(false))
	for _, t := range p.Tables {
		fmt.Fprintf(&b, "\n%s\n", t.Title)
		for _, r := range t.Rows {
			fmt.Fprintf(&b, "  %s: %s\n", r.Name, r.Value)
		}
	}
	return []byte(b.String())
}

// WantsHTML reports whether an Accept header is a browser's.
func WantsHTML(accept string) bool {
	for _, part := range strings.Split(accept, ",") {
		kind, _, _ := strings.Cut(part, ";")
		if kind = strings.TrimSpace(kind); kind == "text/html" || kind == "application/xhtml+xml" {
			return true
		}
	}
	return false
}

// mark cuts a guilty line in three: before the character to mark, it, and
// what follows.
func mark(f Frame, text string) (out [3]string) {
	chars := []rune(text)
	if f.Col < 1 || f.Col > len(chars) {
		out[0] = text
		if f.Col > len(chars) {
			out[1] = " "
		}
		return out
	}
	end := f.Col
	for ofWord(chars[f.Col-1]) && end < len(chars) && ofWord(chars[end]) {
		end++
	}
	return [3]string{string(chars[:f.Col-1]), string(chars[f.Col-1 : end]), string(chars[end:])}
}

func ofWord(c rune) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
