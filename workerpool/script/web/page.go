package web

import (
	"fmt"
	"html/template"
	"strings"
	"sync"
)

// Limits for a page. Neither memory nor the handler's time is checked while a
// template runs.
const (
	maxPage  = 16 << 20 // bytes of the page
	maxText  = 16 << 20 // bytes of a value as text, before it is escaped
	maxTexts = 64 << 20 // bytes of all values as text, and of the results of functions

	// maxSteps is how often a template may write, and repeat a loop or include
	// another template.
	maxSteps = 1 << 22

	// maxInclusions is how deep templates may include one another. Package template allows
	// 100,000, but then an error takes minutes if they are in loops.
	maxInclusions = 1000
)

// A pageTemplate is a parsed template with the templates that it includes.
type pageTemplate struct {
	parsed *template.Template
	idle   sync.Pool // of *page
}

// execute returns the page that the template makes of a context.
func (t *pageTemplate) execute(data any) (string, error) {
	p, ok := t.idle.Get().(*page)
	if !ok {
		set, err := t.parsed.Clone()
		if err != nil {
			return "", err
		}
		p = new(page)
		p.set = set.Funcs(p.functions())
	}
	err := p.set.Execute(p, data)
	text := p.out.String()
	p.out.Reset()
	p.steps, p.texts, p.depth = 0, 0, 0
	t.idle.Put(p)
	return text, err
}

// A page is the output of a template. It has a copy of the template, with functions
// that count the text of this page.
type page struct {
	set   *template.Template
	out   strings.Builder
	steps int
	texts int // bytes
	depth int // of templates that include one another
}

func (p *page) Write(b []byte) (int, error) {
	if p.steps++; p.steps > maxSteps {
		return 0, fmt.Errorf("the template takes more than %d steps: does a loop never end?", maxSteps)
	}
	if p.depth > maxInclusions {
		return 0, fmt.Errorf("templates include one another more than %d deep: does one include itself for ever?", maxInclusions)
	}
	if p.out.Len()+len(b) > maxPage {
		return 0, fmt.Errorf("the page would be longer than %d MiB", maxPage>>20)
	}
	return p.out.Write(b)
}

// count counts text that the template has made or is going to make.
func (p *page) count(bytes int) error {
	if bytes > maxText {
		return &limitError{fmt.Sprintf("a value would be longer than %d MiB as text", maxText>>20)}
	}
	if p.texts += bytes; p.texts > maxTexts {
		return &limitError{fmt.Sprintf("the values and results of functions would be longer than %d MiB together", maxTexts>>20)}
	}
	return nil
}

// A limitError says that a page exceeds a limit.
type limitError struct{ message string }

func (e *limitError) Error() string { return e.message }
