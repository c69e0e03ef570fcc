package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAnApplicationMayBeALink(t *testing.T) {
	real, links := t.TempDir(), t.TempDir()
	files := &program{TB: t, dir: real}
	files.save("lib.star", `word = "one"`)
	files.save("page.html", "{{.word}}")
	files.save("app.star", `
load("lib.star", "word")
channel_routing = [view("/", lambda request: render("page.html", {"word": word}))]
`)
	for from, to := range map[string]string{"direct.star": filepath.Join(real, "app.star"), "indirect.star": "direct.star", "broken.star": "nothing.star"} {
		if err := os.Symlink(to, filepath.Join(links, from)); err != nil {
			t.Fatal(err)
		}
	}
	p := startIn(t, links, "indirect.star")
	if status, body := p.get("/"); status != 200 || body != "one" {
		t.Errorf("got %d %s", status, body)
	}
	files.save("lib.star", `word = "two"`)
	p.waitFor(`reloaded lib\.star, generation 2, `)
	if _, body := p.get("/"); body != "two" {
		t.Errorf("after a change: %s", body)
	}
	if status, out := runCommand(t, "check", filepath.Join(links, "direct.star")); status != 0 {
		t.Errorf("check: status %d: %s", status, out)
	}
	_, out := runCommand(t, "check", filepath.Join(links, "broken.star"))
	expectText(t, out, "broken.star is a link to a file that does not exist")
}
