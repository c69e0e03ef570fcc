package web

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"
)

// Static serves the files of a directory under a prefix of paths. It lists no
// directory and knows no index; what begins with a dot and Starlark files it
// keeps to itself.
type Static struct {
	prefix, dir string
	root        *os.Root
}

// Static makes a Static of a directory in the application's folder.
func (e *Env) Static(prefix, directory string) (*Static, error) {
	if !strings.HasPrefix(prefix, "/") || !strings.HasSuffix(prefix, "/") {
		return nil, hinted(fmt.Sprintf("write %q", "/"+strings.Trim(prefix, "/")+"/"), "static: the prefix %q must begin and end with /", prefix)
	}
	dir, err := inside(directory)
	if err != nil {
		return nil, fmt.Errorf("static: %w", err)
	}
	info, err := e.root.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hinted(hintOf(notThere(e.root, dir, err)), "static: there is no folder %s", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("static: %w", notThere(e.root, dir, err))
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("static: %s is not a directory", dir)
	}
	return &Static{prefix, dir, e.root}, nil
}

// String answers the route as it is listed.
func (s *Static) String() string { return fmt.Sprintf("static(%q, %q)", s.prefix, s.dir) }

// Match reports whether a path is below the prefix.
func (s *Static) Match(path string) bool { return strings.HasPrefix(path, s.prefix) }

// Serve answers a request for a path that matches.
func (s *Static) Serve(req *Request, out *Sender) error {
	w := &responseWriter{sender: out, header: http.Header{}}
	method := req.message.Text("method")
	out.Head = method == "HEAD"
	if method != "GET" && method != "HEAD" {
		w.header.Set("Allow", "GET, HEAD")
		return w.plain(http.StatusMethodNotAllowed, "files are read with GET")
	}
	name, ok := s.file(req.message.Text("path"))
	if !ok {
		return w.plain(http.StatusNotFound, "there is no such file")
	}
	info, err := regular(s.root, name)
	if err != nil {
		return w.plain(http.StatusNotFound, "there is no such file")
	}
	f, err := s.root.Open(name)
	if err != nil {
		return w.plain(http.StatusNotFound, "there is no such file")
	}
	defer f.Close()
	w.header.Set("Content-Type", typeOf(name))
	w.header.Set("X-Content-Type-Options", "nosniff")
	w.header.Set("Cache-Control", "no-cache") // ask each time, which costs a 304
	return serveFile(w, req, f, info)
}

// file answers the file that a path means, in the application's folder.
func (s *Static) file(p string) (string, bool) {
	rest := strings.TrimPrefix(p, s.prefix)
	if rest == "" || strings.ContainsAny(rest, "\\\x00") {
		return "", false
	}
	for part := range strings.SplitSeq(rest, "/") {
		if part == "" || part[0] == '.' {
			return "", false
		}
	}
	return path.Join(s.dir, rest), !strings.EqualFold(path.Ext(rest), ".star")
}

// plain answers with a line of text.
func (w *responseWriter) plain(status int, text string) error {
	w.header.Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	if _, err := w.Write([]byte(text + "\n")); err != nil {
		return err
	}
	return w.close()
}
