package web

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"

	"asgibox/asgi"
	"asgibox/internal/spell"
	"asgibox/internal/userfile"
	"asgibox/workerpool/script/explain"

	"go.starlark.net/starlark"
)

// A file is the content of a FileResponse.
type file struct {
	env  *Env
	name string
}

// fileResponse implements FileResponse(path, status, content_type, headers, filename,
// as_attachment).
func (e *Env) fileResponse(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var name, contentType, filename string
	var status, headers starlark.Value = starlark.MakeInt(200), starlark.None
	var attachment bool
	err := starlark.UnpackArgs(b.Name(), args, kwargs, "path", &name, "status?", &status, "content_type?", &contentType, "headers?", &headers,
		"filename?", &filename, "as_attachment?", &attachment)
	if err != nil {
		return nil, err
	}
	name, kind, err := e.CheckFile(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	if contentType == "" {
		contentType = kind
	}
	r := newResponse(200, contentType)
	r.file = &file{e, name}
	if filename == "" {
		filename = path.Base(name)
	}
	if attachment {
		r.headers = append(r.headers, header{"content-disposition", disposition(filename)})
	}
	return r.finish(b, status, headers)
}

// CheckFile checks that a file can be sent. It returns its clean name and its content
// type.
func (e *Env) CheckFile(name string) (clean, contentType string, err error) {
	if clean, err = cleanPath(name); err != nil {
		return "", "", err
	}
	f, _, err := e.open(clean)
	if err != nil {
		return "", "", fileError(e.root, clean, err)
	}
	f.Close()
	e.remember(clean)
	return clean, typeOf(clean), nil
}

// SendFile responds to a request with a file that CheckFile has allowed. Headers are
// pairs of a name and a value.
func (e *Env) SendFile(request asgi.Message, name string, status int, headers asgi.List, s *Sender) error {
	r := newResponse(status, "")
	r.file = &file{e, name}
	for _, item := range headers.All() {
		if pair, _ := item.(asgi.List); pair.Len() == 2 {
			r.headers = append(r.headers, header{strings.ToLower(pair.Octets(0)), pair.Octets(1)})
		}
	}
	return r.serve(NewRequest(request, Hooks{}), s)
}

// disposition returns a content-disposition header. It gives a filename that is
// not plain ASCII in both of HTTP's forms.
func disposition(filename string) string {
	plain := strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return '_'
		}
		return c
	}, filename)
	if plain == filename {
		return `attachment; filename="` + plain + `"`
	}
	return `attachment; filename="` + plain + `"; filename*=UTF-8''` + strings.ReplaceAll(url.QueryEscape(filename), "+", "%20")
}

// cleanPath cleans a path and fails if it leads outside its folder. Links that
// lead outside are left to os.Root, which refuses to open them.
func cleanPath(name string) (string, error) {
	if name == "" || strings.ContainsRune(name, 0) || hasForeignSeparator(name) || path.IsAbs(name) {
		return "", explain.Hintf(`write a path like "files/report.pdf"`, "%q is not a path inside the application's folder", name)
	}
	clean := path.Clean(name)
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", explain.Hintf("only files in the application's folder can be sent", "%q leads outside the application's folder", name)
	}
	return clean, nil
}

// hasForeignSeparator reports whether a name contains a backslash on Windows,
// where it separates folders. Elsewhere it is a character like any other.
func hasForeignSeparator(name string) bool {
	return os.PathSeparator != '/' && strings.ContainsRune(name, os.PathSeparator)
}

var errPrivate = errors.New("it is never sent to clients, because it belongs to the application's code or settings, or to the server")

// open opens a regular file that may be served or rendered.
func (e *Env) open(name string) (*os.File, fs.FileInfo, error) {
	f, err := userfile.OpenIn(e.root, name)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && e.private(f, info) {
		err = errPrivate
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// fileError describes why a file cannot be read. If there is no such file, it
// suggests a similar name.
func fileError(root *os.Root, name string, err error) error {
	var kind *userfile.KindError
	if errors.As(err, &kind) {
		return fmt.Errorf("%s: %w", name, kind)
	}
	if errors.Is(err, errPrivate) {
		return fmt.Errorf("%s: %w", name, err)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return explain.Hintf("check its permissions, and that it is not a link out of the application's folder", "%s cannot be read", name)
	}
	hint := "paths are relative to the folder of the application's file"
	if near := spell.Nearest(path.Base(name), fileNames(root, path.Dir(name))); near != "" {
		hint = fmt.Sprintf("did you mean %q?", path.Join(path.Dir(name), near))
	}
	return explain.Hintf(hint, "there is no file %s", name)
}

func fileNames(root *os.Root, folder string) []string {
	d, err := root.Open(folder)
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(1000) // suggestions only
	return names
}

// serve sends the file, a range of it, or a 304 if it has not changed.
func (r *Response) serve(req *Request, s *Sender) error {
	f, info, err := r.file.env.open(r.file.name)
	if err != nil {
		return fileError(r.file.env.root, r.file.name, err)
	}
	defer f.Close()
	w := &responseWriter{sender: s, header: http.Header{}}
	for _, h := range r.headers {
		w.header.Add(h.name, h.value)
	}
	s.Head = req.message.Text(asgi.KeyMethod) == "HEAD"
	if r.status != http.StatusOK {
		// Ranges and conditions apply to status 200 only.
		w.WriteHeader(r.status)
		if _, err := io.Copy(w, f); err != nil {
			return err
		}
		return w.close()
	}
	return serveFile(w, req, f, info)
}

// serveFile sends an open file. It supports ranges, If-None-Match and
// If-Modified-Since. It does not replace headers that are already set.
func serveFile(w *responseWriter, req *Request, f io.ReadSeeker, info fs.FileInfo) error {
	if w.header.Get("Etag") == "" {
		w.header.Set("Etag", etag(info))
	}
	hr := goRequest(req.message)
	if wanted := byteRange(hr.Method, hr.Header.Get("Range"), info.Size()); wanted != "" {
		hr.Header.Set("Range", wanted)
	} else {
		hr.Header.Del("Range")
	}
	http.ServeContent(w, hr, "", info.ModTime(), f)
	return w.close()
}

// etag returns an entity tag that differs for each version of a file.
func etag(info fs.FileInfo) string {
	return fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size())
}
