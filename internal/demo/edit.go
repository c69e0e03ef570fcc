package demo

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"asgibox/internal/devserver"
	"asgibox/workerpool"
	"asgibox/workerpool/script/explain"
)

// maxSource is the longest application that can be saved, in bytes.
const maxSource = 256 << 10

// saved is the outcome of a save.
type saved struct {
	Source     string  `json:"source"` // of the application now
	Generation uint64  `json:"generation,omitempty"`
	TookMS     float64 `json:"took_ms,omitempty"`
	Sockets    int     `json:"sockets"` // open WebSockets
	Error      string  `json:"error,omitempty"`
	Details    string  `json:"details,omitempty"` // the source around the error
	Line       int     `json:"line,omitempty"`
	Column     int     `json:"column,omitempty"`
}

// save replaces the application of a page by the body of a request.
func (t *tour) save(w http.ResponseWriter, r *http.Request, p *page) {
	source, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSource))
	if err != nil {
		fail(w, http.StatusRequestEntityTooLarge, fmt.Errorf("the application is longer than %d bytes", maxSource))
		return
	}
	t.replace(w, r, p, string(source))
}

// reset restores the application of a page.
func (t *tour) reset(w http.ResponseWriter, r *http.Request, p *page) { t.replace(w, r, p, p.original) }

// replace writes the application and loads it.
func (t *tour) replace(w http.ResponseWriter, r *http.Request, p *page, source string) {
	t.saving.Lock()
	defer t.saving.Unlock()
	m, err := t.stacks.of(p)
	if err == nil {
		err = writeFile(t.stacks.app(p), source)
	}
	if err != nil {
		fail(w, http.StatusInternalServerError, err)
		return
	}
	g, err := m.Reload(r.Context())
	writeJSON(w, http.StatusOK, outcome(source, m, g, err))
}

// writeFile replaces a file in one step, so that a killed server leaves the old
// or the new content.
func writeFile(path, content string) error {
	next := path + ".new"
	if err := os.WriteFile(next, []byte(content), 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// outcome describes a load.
func outcome(source string, m *devserver.Mounted, g workerpool.Generation, err error) saved {
	s := saved{Source: source, Generation: g.Number, TookMS: g.Took.Seconds() * 1000, Sockets: m.Sockets()}
	if err != nil {
		e := explain.Of(err)
		s.Error, s.Details = e.Split(false)
		if at, ok := e.Place(); ok {
			s.Line, s.Column = at.Line, at.Col
		}
	}
	return s
}

// download writes the application of a page as a folder in a zip file.
func (t *tour) download(w http.ResponseWriter, _ *http.Request, p *page) {
	source, err := t.stacks.source(p)
	if err != nil {
		fail(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", `attachment; filename="`+p.Name+`.zip"`)
	z := zip.NewWriter(w)
	for _, f := range []struct{ name, content string }{
		{"app.star", source},
		{"README.md", fmt.Sprintf("# %s\n\nThe application of this page of the tour. Serve it with\n\n    %s\n", p.Title, p.Command())},
	} {
		out, err := z.Create(p.Name + "/" + f.name)
		if err == nil {
			_, err = io.WriteString(out, f.content)
		}
		if err != nil {
			return // the client has left
		}
	}
	_ = z.Close() // likewise
}

// kill kills this process. The parent starts the next one.
func (t *tour) kill(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusAccepted, map[string]int{"pid": os.Getpid()})
	_ = http.NewResponseController(w).Flush()
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Kill()
	}
}

// fail responds with an error in the form of the control server.
func fail(w http.ResponseWriter, status int, err error) {
	var path *os.PathError
	if errors.As(err, &path) {
		err = fmt.Errorf("%s: %w", filepath.Base(path.Path), path.Err)
	}
	writeJSON(w, status, map[string]string{"error": http.StatusText(status), "detail": err.Error()})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
