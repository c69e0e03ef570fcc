package e2e

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const filesApp = `load("lib.star", "word")

def page(request):
    return render("page.html", {"word": word})

def late(request):
    return render("late" + ".html", {}) # it comes later

def file(request):
    return FileResponse("sent.txt")

channel_routing = [view("/", page), view("/late", late), view("/file", file), static("/static/", "static")]
`

// saveWhole saves files, and makes their folders. A file has its whole content
// from the start, so that no scan finds a part of it.
func (p *program) saveWhole(files map[string]string) {
	p.Helper()
	for name, content := range files {
		file := filepath.Join(p.dir, filepath.FromSlash(name))
		hidden := filepath.Join(filepath.Dir(file), ".new")
		err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(hidden, []byte(content), 0o644), os.Rename(hidden, file))
		if err != nil {
			p.Fatal(err)
		}
	}
}

// serveFiles starts an application that uses each kind of file.
func serveFiles(t *testing.T, args ...string) *program {
	t.Helper()
	dir := t.TempDir()
	p := &program{TB: t, dir: dir}
	p.saveWhole(map[string]string{
		"app.star": filesApp, "lib.star": `word = "1"`, "page.html": "<p>{{.word}}", "static/a.css": "a{}", "sent.txt": "1",
	})
	p = startIn(t, dir, "app.star", append(args, "--store", "memory")...)
	p.waitFor("generation 1")
	return p
}

// A file that the application does not use is saved before each save of one that
// it uses: it would make a generation of its own or be named with the other.
func TestOnlyFilesThatTheApplicationUsesReloadIt(t *testing.T) {
	p := serveFiles(t)
	p.get("/")
	p.get("/late")
	p.get("/file")
	for i, name := range []string{"lib.star", "page.html", "late.html", ".env", "app.star"} {
		generation := string(rune('2' + i))
		p.saveWhole(map[string]string{
			"notes.dat": generation, "other.star": "x = " + generation, "data/cache": generation,
			"static/a.css": generation, "sent.txt": generation, "unused.html": generation,
		})
		text := map[string]string{"lib.star": `word = "2"`, "app.star": filesApp + "\n# saved\n"}[name]
		p.saveWhole(map[string]string{name: text + "\n"})
		p.waitFor(`reloaded ` + strings.ReplaceAll(name, ".", `\.`) + `, generation ` + generation + `, `)
		p.get("/")
		p.get("/late")
	}
}

func TestFilesThatAFailedLoadLookedForReloadTheApplication(t *testing.T) {
	p := serveFiles(t)
	p.get("/") // renders page.html
	p.saveWhole(map[string]string{"app.star": `load("lib.star", "word")` + "\n" + `load("parts/new.star", "part")` + "\n" + filesApp[strings.Index(filesApp, "\n"):]})
	p.waitFor(`reload of app\.star failed; generation 1 continues`)
	p.saveWhole(map[string]string{"notes.dat": "1"})
	p.saveWhole(map[string]string{"parts/new.star": "part ="})
	p.waitFor(`reload of parts/new\.star failed; generation 1 continues`)
	p.saveWhole(map[string]string{"page.html": "still used by generation 1"})
	p.waitFor(`reload of page\.html failed; generation 1 continues`)
	p.saveWhole(map[string]string{"parts/new.star": "part = 1"})
	p.waitFor(`reloaded parts/new\.star, generation 2, `)
}

func TestServedFilesRefreshOpenPages(t *testing.T) {
	p := serveFiles(t, "--live")
	p.get("/file")
	last := "1"
	for i, name := range []string{"static/a.css", "static/new.png", "sent.txt"} {
		p.saveWhole(map[string]string{"notes.dat": strings.Repeat("x", i), name: "changed"})
		p.eventually("pages are refreshed", func() bool {
			_, body := p.get("/__asgibox__/state")
			var state struct{ Version string }
			if err := json.Unmarshal([]byte(body), &state); err != nil {
				t.Fatal(err)
			}
			if state.Version == last {
				return false
			}
			last = state.Version
			return strings.HasPrefix(last, "1.")
		})
	}
}

func TestWatchFlagAddsFiles(t *testing.T) {
	p := serveFiles(t, "--watch", "*.csv", "--watch", "data/*")
	p.saveWhole(map[string]string{"notes.dat": "1"})
	p.saveWhole(map[string]string{"deep/er/rooms.csv": "1"})
	p.waitFor(`reloaded deep/er/rooms\.csv, generation 2, `)
	p.saveWhole(map[string]string{"notes.dat": "2"})
	p.saveWhole(map[string]string{"data/today.log": "1"})
	p.waitFor(`reloaded data/today\.log, generation 3, `)
	if out := mustFail(t, "run", "app.star", "--watch", "[x"); !strings.Contains(out, `"[x" is not a pattern`) {
		t.Error(out)
	}
}
