package web

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"asgibox/asgi"
)

// site returns the environment of a folder with files to serve.
func site(t testing.TB) *Env {
	t.Helper()
	env := folder(t, map[string]string{
		"app.star":            "secret",
		".env":                "secret",
		"static/a.css":        "body{}",
		"static/deep/b.js":    "1",
		"static/none.zzz":     "?",
		"static/.hidden":      "secret",
		"static/app.star":     "secret",
		"static/big.txt":      strings.Repeat("0123456789", 1000),
		"static/é x.html":     "<p>",
		"files/report.pdf":    "%PDF",
		"files/Übersicht.txt": "text",
	})
	outside := filepath.Join(t.TempDir(), "outside.txt")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(env.root.Name(), "static", "link.txt")); err != nil {
		t.Fatal(err)
	}
	return env
}

func serveStatic(t testing.TB, env *Env, m asgi.Message) reply {
	t.Helper()
	static, err := env.Static("/static/", "static")
	if err != nil {
		t.Fatal(err)
	}
	if !static.Match(m.Text("path")) {
		t.Fatalf("%s does not match", m.Text("path"))
	}
	var got reply
	if err := static.Serve(NewRequest(m, Hooks{}), &Sender{Send: got.send}); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestStaticServesFilesByType(t *testing.T) {
	env := site(t)
	for path, kind := range map[string]string{
		"/static/a.css":     "text/css; charset=utf-8",
		"/static/deep/b.js": "text/javascript; charset=utf-8",
		"/static/none.zzz":  "application/octet-stream",
		"/static/é x.html":  "text/html; charset=utf-8",
	} {
		got := serveStatic(t, env, get(path))
		if got.status != 200 || got.header("content-type") != kind || got.header("x-content-type-options") != "nosniff" || got.header("etag") == "" {
			t.Errorf("%s: got %d %v", path, got.status, got.headers)
		}
	}
	if got := serveStatic(t, env, get("/static/a.css")); got.content != "body{}" || got.header("content-length") != "6" {
		t.Errorf("got %q %v", got.content, got.headers)
	}
}

func TestStaticServesNoListingsAndNothingOutside(t *testing.T) {
	env := site(t)
	for _, path := range []string{
		"/static/", "/static/deep", "/static/deep/", "/static/no.txt", "/static/../app.star", "/static/../.env", "/static/./a.css",
		"/static/deep/../../app.star", "/static//a.css", "/static/.hidden", "/static/app.star", "/static/APP.STAR", "/static/link.txt",
		`/static/..\app.star`, "/static/a.css\x00", "/static//etc/passwd", "/static/a.css/",
	} {
		got := serveStatic(t, env, get(path))
		if got.status != 404 || strings.Contains(got.content, "secret") {
			t.Errorf("%q: got %d %s", path, got.status, got.content)
		}
	}
}

func TestStaticMethods(t *testing.T) {
	env := site(t)
	got := serveStatic(t, env, get("/static/a.css", verb("POST")))
	if got.status != 405 || got.header("allow") != "GET, HEAD" {
		t.Errorf("got %d %v", got.status, got.headers)
	}
	got = serveStatic(t, env, get("/static/a.css", verb("HEAD")))
	if got.status != 200 || got.content != "" || got.header("content-length") != "6" {
		t.Errorf("got %d %q %v", got.status, got.content, got.headers)
	}
}

func TestRanges(t *testing.T) {
	env := site(t)
	got := serveStatic(t, env, get("/static/big.txt", headers("range", "bytes=10-14")))
	if got.status != 206 || got.content != "01234" || got.header("content-range") != "bytes 10-14/10000" {
		t.Errorf("got %d %q %v", got.status, got.content, got.headers)
	}
	got = serveStatic(t, env, get("/static/big.txt", headers("range", "bytes=20000-")))
	if got.status != 416 {
		t.Errorf("got %d", got.status)
	}
	got = serveStatic(t, env, get("/static/big.txt", headers("range", "bytes=0-4", "if-range", `"old"`)))
	if got.status != 200 || len(got.content) != 10000 {
		t.Errorf("got %d, %d bytes", got.status, len(got.content))
	}
}

func TestAnUnchangedFileIs304(t *testing.T) {
	env := site(t)
	first := serveStatic(t, env, get("/static/a.css"))
	for name, value := range map[string]string{"if-none-match": first.header("etag"), "if-modified-since": first.header("last-modified")} {
		got := serveStatic(t, env, get("/static/a.css", headers(name, value)))
		if got.status != 304 || got.content != "" {
			t.Errorf("%s: got %d %q", name, got.status, got.content)
		}
	}
	if got := serveStatic(t, env, get("/static/a.css", headers("if-none-match", `"other"`))); got.status != 200 {
		t.Errorf("got %d", got.status)
	}
}

func TestWrongStaticRoutesAreErrors(t *testing.T) {
	env := site(t)
	for _, c := range [][4]string{
		{"static/", "static", "must begin and end with /", `write "/static/"`},
		{"/static", "static", "must begin and end with /", `write "/static/"`},
		{"/static/", "sttaic", "there is no folder sttaic", `did you mean "static"?`},
		{"/static/", "static/a.css", "is not a folder", ""},
		{"/static/", "../x", "leads outside", ""},
		{"/static/", "/etc", "is not a path inside", ""},
		{"/static/", "", "is not a path inside", ""},
	} {
		_, err := env.Static(c[0], c[1])
		checkError(t, fmt.Sprint(c), err, c[2], c[3])
	}
}

func TestFileResponse(t *testing.T) {
	env := site(t)
	got := mustRespond(t, env, "def view(request):\n  return FileResponse('files/report.pdf')\n", get("/"))
	if got.status != 200 || got.content != "%PDF" || got.header("content-type") != "application/pdf" || got.header("etag") == "" {
		t.Errorf("got %+v", got)
	}
	got = mustRespond(t, env, "def view(request):\n  return FileResponse('files/report.pdf', content_type='a/b', headers={'cache-control': 'no-store'})\n",
		get("/", headers("range", "bytes=1-2")))
	if got.status != 206 || got.content != "PD" || got.header("content-type") != "a/b" || got.header("cache-control") != "no-store" {
		t.Errorf("got %+v", got)
	}
	got = mustRespond(t, env, "def view(request):\n  return FileResponse('files/Übersicht.txt', as_attachment=True)\n", get("/"))
	if got.header("content-disposition") != `attachment; filename="_bersicht.txt"; filename*=UTF-8''%C3%9Cbersicht.txt` {
		t.Errorf("got %s", got.header("content-disposition"))
	}
	got = mustRespond(t, env, "def view(request):\n  return FileResponse('files/report.pdf', filename='a.pdf', as_attachment=True)\n", get("/", verb("HEAD")))
	if got.header("content-disposition") != `attachment; filename="a.pdf"` || got.content != "" || got.header("content-length") != "4" {
		t.Errorf("got %+v", got)
	}
	got = mustRespond(t, env, "def view(request):\n  return (404, FileResponse('files/report.pdf'))\n", get("/", headers("range", "bytes=1-2")))
	if got.status != 404 || got.content != "%PDF" {
		t.Errorf("got %+v", got)
	}
}

func TestFilesThatCannotBeSentAreErrors(t *testing.T) {
	env := site(t)
	for _, c := range [][3]string{
		{"../x", "leads outside", "only files in the application's folder"},
		{"/etc/passwd", "is not a path inside", ""},
		{"static/link.txt", "cannot be read", ""},
		{"static", "it is a folder, not a regular file", ""},
		{"files/raport.pdf", "there is no file files/raport.pdf", `did you mean "files/report.pdf"?`},
		{"nothing", "there is no file nothing", "paths are relative to the folder"},
	} {
		_, err := respond(t, env, fmt.Sprintf("def view(request):\n  return FileResponse(%q)\n", c[0]), get("/"))
		checkError(t, c[0], err, c[1], c[2])
	}
}

func TestALargeFileIsSentInPieces(t *testing.T) {
	env := folder(t, map[string]string{"s/big.bin": strings.Repeat("x", 3*DefaultPiece+5)})
	static, _ := env.Static("/", "s")
	var got reply
	if err := static.Serve(NewRequest(get("/big.bin"), Hooks{}), &Sender{Send: got.send}); err != nil {
		t.Fatal(err)
	}
	if len(got.content) != 3*DefaultPiece+5 || len(got.messages) != 4 {
		t.Errorf("got %d bytes in %d messages", len(got.content), len(got.messages))
	}
}
