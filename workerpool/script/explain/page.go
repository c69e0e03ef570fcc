package explain

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
)

// A Page shows an explanation to the author of an application.
type Page struct {
	Status      int    // of the response, like 500
	Title       string // replaces the name of the status if set
	Explanation Explanation
	Tables      []Table // for example the request or the message

	// Script, if set, is the URL of a script that reloads the page when the
	// version of the application differs from Version.
	Script  string
	Version string

	Trace     string                // of the message; may be empty
	Inspector string                // URL about the failure; may be empty
	Locals    bool                  // show the variables of each call
	Editor    func(of Frame) string // returns a URL that opens a place in an editor, or ""; may be nil
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
	"url":  func(s string) template.URL { return template.URL(s) }, // made by this program
}).Parse(pageSource))

// Heading returns the title, or the name of the status.
func (p Page) Heading() string {
	if p.Title != "" {
		return p.Title
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", p.Status, http.StatusText(p.Status)))
}

// Edit returns the URL that opens a place in an editor, or "".
func (p Page) Edit(f Frame) string {
	if p.Editor == nil || f.Line == 0 {
		return ""
	}
	return p.Editor(f)
}

// HTML returns the page for browsers.
func (p Page) HTML() []byte {
	var all []part
	for _, e := range append([]Explanation{p.Explanation}, p.Explanation.More...) {
		frames, omitted := shown(e.Frames)
		all = append(all, part{e, frames, omitted})
	}
	var b bytes.Buffer
	err := pageTemplate.Execute(&b, struct {
		Page
		Parts []part
	}{p, all})
	if err != nil {
		return p.Text()
	}
	return []byte(Printable(b.String()))
}

// A part is an explanation as the page shows it.
type part struct {
	Explanation
	Shown   []Frame
	Omitted int
}

// Last returns the index of the innermost frame.
func (p part) Last() int { return len(p.Shown) - 1 }

// Text returns the page as plain text, for other clients.
func (p Page) Text() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s", p.Heading(), p.Explanation.text(printer{locals: p.Locals}))
	for _, t := range p.Tables {
		fmt.Fprintf(&b, "\n%s\n", t.Title)
		for _, r := range t.Rows {
			fmt.Fprintf(&b, "  %s: %s\n", r.Name, r.Value)
		}
	}
	if p.Trace != "" {
		fmt.Fprintf(&b, "\ntrace: %s\n", p.Trace)
	}
	if p.Inspector != "" {
		fmt.Fprintf(&b, "inspector: %s\n", p.Inspector)
	}
	return []byte(Printable(b.String()))
}

// WantsHTML reports whether an Accept header names HTML, as browsers do.
func WantsHTML(accept string) bool {
	for _, part := range strings.Split(accept, ",") {
		kind, _, _ := strings.Cut(part, ";")
		if kind = strings.TrimSpace(kind); kind == "text/html" || kind == "application/xhtml+xml" {
			return true
		}
	}
	return false
}

// mark splits the line of the error into the part before the marked word, the
// word and the rest.
func mark(f Frame, text string) [3]string {
	chars := []rune(text)
	switch {
	case f.Col < 1:
		return [3]string{text}
	case f.Col > len(chars):
		return [3]string{text, " "}
	}
	end := f.Col
	for isWordChar(chars[f.Col-1]) && end < len(chars) && isWordChar(chars[end]) {
		end++
	}
	return [3]string{string(chars[:f.Col-1]), string(chars[f.Col-1 : end]), string(chars[end:])}
}

func isWordChar(c rune) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
