package web

import "testing"

func TestFilesWithABackslashInTheirNamesAreServed(t *testing.T) {
	env := folder(t, map[string]string{`static/a\b.html`: "<p>", `static/..\c.txt`: "hidden"})
	if got := serveStatic(t, env, get(`/static/a\b.html`)); got.status != 200 || got.content != "<p>" {
		t.Errorf("static: got %d %q", got.status, got.content)
	}
	for _, call := range []string{`FileResponse`, `render`} {
		got, err := respond(t, env, `view = lambda request: `+call+`("static/a\\b.html")`, get("/"))
		if err != nil || got.status != 200 || got.content != "<p>" {
			t.Errorf("%s: got %d %q, %v", call, got.status, got.content, err)
		}
	}
	if got := serveStatic(t, env, get(`/static/..\c.txt`)); got.status != 404 {
		t.Errorf("a hidden name: got %d %q", got.status, got.content)
	}
}
