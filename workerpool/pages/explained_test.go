package pages

import (
	"fmt"
	"strings"
	"testing"

	"asgibox/asgi"
	"asgibox/workerpool"
	"asgibox/workerpool/script/explain"
)

// foreignError is an error of an application that another host runs.
type foreignError struct{ explanation explain.Explanation }

func (e foreignError) Error() string                    { return e.explanation.Message }
func (e foreignError) Explanation() explain.Explanation { return e.explanation }

// TestAnErrorExplainsItself checks that the error of any host has the same page,
// overlay and close reason as one of a Starlark application.
func TestAnErrorExplainsItself(t *testing.T) {
	p := New(Options{App: "app.py", Folder: "/srv/app", Locals: true, Editor: func(path string, line, _ int) string {
		return fmt.Sprintf("edit:%s:%d", path, line)
	}})
	err := fmt.Errorf("generation 2: %w", foreignError{explain.Explanation{
		Message: "ValueError: \x1b[31mno", Hint: "write a number",
		Frames: []explain.Frame{
			{File: "app.py", Line: 3, Func: "page", Lines: []explain.Line{{Number: 3, Text: "    return parse(request)"}}},
			{File: "/usr/lib/python3/parse.py", Line: 7, Func: "parse", Locals: []explain.Local{{Name: "text", Value: "'\x1b'"}}},
			{File: "<string>", Line: 1},
		},
	}})
	page := string(p.ErrorPage(workerpool.Failure{Channel: asgi.HTTPRequest, Status: 500, Err: err, Message: asgi.MustMessage(
		asgi.Field{Key: asgi.KeyHeaders, Value: []any{[]any{asgi.Bytes("accept"), asgi.Bytes("text/html")}}},
	)}).Content)
	for _, want := range []string{"ValueError: \uFFFD[31mno", "write a number", "edit:/srv/app/app.py:3", "edit:/usr/lib/python3/parse.py:7", "return ", "<td>&#39;\uFFFD&#39;</td>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "edit:/srv/app/&lt;") || strings.ContainsRune(page, '\x1b') {
		t.Errorf("the page has a link to no file, or a control character:\n%s", page)
	}
	if got := p.CloseReason(workerpool.Failure{Err: err}); got != workerpool.FailedReason+" at app.py:3" {
		t.Errorf("close reason %q", got)
	}
	p.Current(1)
	if got := p.LoadFailed(t.Context(), err); got != err {
		t.Errorf("LoadFailed returns %v", got)
	}
	s, _ := p.wait(t.Context(), "")
	if s.Error == nil || s.Error.Title != "app.py does not load; generation 1 continues" || !strings.Contains(s.Error.Text, "return parse(request)") {
		t.Errorf("open pages show %+v", s.Error)
	}
	if p.LoadFailed(t.Context(), nil) != nil {
		t.Error("a load without an error fails")
	}
}
