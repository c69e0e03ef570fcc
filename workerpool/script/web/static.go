package web

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"

	"asgibox/asgi"
	"asgibox/workerpool/script/explain"
)

// Static serves the files of a folder under a prefix of paths. It serves no
// listings, no index files, no Starlark files and no names that begin with a
// dot. No name, not even that of a link, serves a private file.
type Static struct {
	prefix, dir string
	env         *Env
}

// Static returns a Static for a folder inside the application's folder.
func (e *Env) Static(prefix, directory string) (*Static, error) {
	if !strings.HasPrefix(prefix, "/") || !strings.HasSuffix(prefix, "/") {
		return nil, explain.Hintf(fmt.Sprintf("write %q", "/"+strings.Trim(prefix, "/")+"/"), "static: the prefix %q must begin and end with /", prefix)
	}
	dir, err := cleanPath(directory)
	if err != nil {
		return nil, fmt.Errorf("static: %w", err)
	}
	info, err := e.root.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		e.templates.used(dir)
		return nil, explain.Hintf(hintOf(fileError(e.root, dir, err)), "static: there is no folder %s", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("static: %w", fileError(e.root, dir, err))
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("static: %s is not a folder", dir)
	}
	s := &Static{prefix, dir, e}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.statics = append(e.statics, s)
	return s, nil
}

// Serves reports whether a page may show the file: it is in the folder of a
// Static, or a FileResponse has sent it.
func (e *Env) Serves(name string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sent[name] || slices.ContainsFunc(e.statics, func(s *Static) bool {
		return s.dir == "." || strings.HasPrefix(name, s.dir+"/")
	})
}

// maxSent is the largest number of names of sent files that are remembered.
const maxSent = 10_000

// remember notes that a FileResponse sends the file.
func (e *Env) remember(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.sent) < maxSent {
		e.sent[name] = true
	}
}

// String returns the route as scripts write it.
func (s *Static) String() string { return fmt.Sprintf("static(%q, %q)", s.prefix, s.dir) }

// Match reports whether a path is below the prefix.
func (s *Static) Match(path string) bool { return strings.HasPrefix(path, s.prefix) }

// Serve sends the response to a request whose path matches.
func (s *Static) Serve(req *Request, out *Sender) error {
	w := &responseWriter{sender: out, header: http.Header{}}
	method := req.message.Text(asgi.KeyMethod)
	out.Head = method == "HEAD"
	if method != "GET" && method != "HEAD" {
		w.header.Set("Allow", "GET, HEAD")
		return w.plain(http.StatusMethodNotAllowed, "files are read with GET")
	}
	name, ok := s.file(req.message.Text(asgi.KeyPath))
	if !ok {
		return w.plain(http.StatusNotFound, "there is no such file")
	}
	f, info, err := s.env.open(name)
	if err != nil {
		return w.plain(http.StatusNotFound, "there is no such file")
	}
	defer f.Close()
	w.header.Set("Content-Type", typeOf(name))
	w.header.Set("X-Content-Type-Options", "nosniff")
	w.header.Set("Cache-Control", "no-cache") // the browser asks each time and gets a 304
	return serveFile(w, req, f, info)
}

// file returns the file for a path, relative to the application's folder. ok is
// false if the path may not be served.
func (s *Static) file(p string) (name string, ok bool) {
	rest := strings.TrimPrefix(p, s.prefix)
	if rest == "" || strings.ContainsRune(rest, 0) || hasForeignSeparator(rest) {
		return "", false
	}
	for part := range strings.SplitSeq(rest, "/") {
		if part == "" || part[0] == '.' {
			return "", false
		}
	}
	return path.Join(s.dir, rest), !strings.EqualFold(path.Ext(rest), ".star")
}

// plain sends a response with a line of text.
func (w *responseWriter) plain(status int, text string) error {
	w.header.Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	if _, err := w.Write([]byte(text + "\n")); err != nil {
		return err
	}
	return w.close()
}
