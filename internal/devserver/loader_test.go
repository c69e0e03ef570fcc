package devserver

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"asgibox/asgi"
	"asgibox/workerpool"
	"asgibox/workerpool/pages"
	"asgibox/workerpool/script/explain"
)

// fakeLoader stands for the loader of an application in other processes. Load fails
// while it has an error.
type fakeLoader struct {
	pages *pages.Pages

	mu  sync.Mutex // guards err
	err error
}

func (l *fakeLoader) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

func (l *fakeLoader) Load(ctx context.Context, generation uint64) (workerpool.Application, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return nil, l.pages.LoadFailed(ctx, l.err)
	}
	return fakeApplication{l.pages, generation}, nil
}

func (l *fakeLoader) Uses(name string) bool   { return name == "app.py" }
func (l *fakeLoader) Serves(name string) bool { return name == "page.css" }

// fakeApplication fails for each request.
type fakeApplication struct {
	pages      *pages.Pages
	generation uint64
}

var _ workerpool.Routed = fakeApplication{}

func (fakeApplication) Live(context.Context, bool) error          { return nil }
func (a fakeApplication) Current()                                { a.pages.Current(a.generation) }
func (a fakeApplication) Drain()                                  { a.pages.Drain() }
func (fakeApplication) Stop(context.Context) error                { return nil }
func (fakeApplication) Close()                                    {}
func (fakeApplication) Channels() []string                        { return []string{asgi.HTTPRequest} }
func (fakeApplication) Clocks() []workerpool.Clock                { return nil }
func (fakeApplication) Limits() []workerpool.Limit                { return nil }
func (a fakeApplication) Route(asgi.Delivery) workerpool.Consumer { return a }

func (fakeApplication) Name() string            { return "page (app.py:3)" }
func (fakeApplication) Ordered() bool           { return true }
func (fakeApplication) Limit() string           { return "" }
func (fakeApplication) Explain(err error) error { return err }
func (fakeApplication) Consume(context.Context, *workerpool.Job) error {
	return pythonError("page failed", "app.py")
}

// pythonError returns an error at line 3 of a file.
func pythonError(message, file string) error {
	return &explainedError{explain.Explanation{Message: message, Frames: []explain.Frame{
		{File: file, Line: 3, Func: "page", Lines: []explain.Line{{Number: 3, Text: "    return 1 / 0"}}},
	}}}
}

type explainedError struct{ explanation explain.Explanation }

func (e *explainedError) Error() string                    { return e.explanation.Message }
func (e *explainedError) Explanation() explain.Explanation { return e.explanation }

// syncBuffer is a log that several goroutines write.
type syncBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestErrorsOfAnyLoaderAreShown checks that the errors of an application that is not
// Starlark appear in the log, on pages, in the overlay and in the inspector.
func TestErrorsOfAnyLoaderAreShown(t *testing.T) {
	app := filepath.Join(t.TempDir(), "app.py")
	if err := os.WriteFile(app, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var l *fakeLoader
	o := DefaultOptions()
	o.DataFile, o.NoReload, o.Pages.Overlay = MemoryStore, true, true
	o.newLoader = func(p *pages.Pages) loader { l = &fakeLoader{pages: p}; return l }
	var log syncBuffer
	m, err := Mount(app, "http://127.0.0.1:1", "", o, &log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	if _, err := m.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	get := func(h http.Handler, path string) string {
		r := httptest.NewRequest("GET", "http://127.0.0.1"+path, nil)
		r.Header.Set("Accept", "text/html")
		r.RemoteAddr = "127.0.0.1:1"
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Body.String()
	}
	if page := get(m.Front(), "/"); !strings.Contains(page, "page failed") || !strings.Contains(page, "app.py:3") {
		t.Errorf("the page of a failed handler:\n%s", page)
	}
	l.fail(pythonError("load failed", "other.py"))
	if _, err := m.Reload(t.Context()); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("the broken application loads: %v", err)
	}
	if state := get(m.Front(), asgi.OwnPath+"state"); !strings.Contains(state, "app.py does not load; generation") || !strings.Contains(state, "return 1 / 0") {
		t.Errorf("open pages get %s", state)
	}
	if all := get(m.Control(), "/api/errors"); !strings.Contains(all, "other.py:3") || !strings.Contains(all, "app.py:3") {
		t.Errorf("the inspector has the errors %s", all)
	}
	for _, want := range []string{"page failed", "load failed", "other.py:3", "return 1 / 0"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log.String())
		}
	}
}
