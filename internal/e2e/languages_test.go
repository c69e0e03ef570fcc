package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// newGoProject makes a worker in Go and returns its folder.
func newGoProject(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "app")
	if status, out := runCommand(t, "new", "go", dir); status != 0 {
		t.Fatalf("status %d: %s", status, out)
	}
	return dir
}

// replaced returns the content of a file with another text in place of one that it
// has.
func replaced(t *testing.T, file, old, new string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(content), old) {
		t.Fatalf("%s lacks %q", file, old)
	}
	return strings.ReplaceAll(string(content), old, new)
}

func TestAGoProgramIsBuiltAndReplaced(t *testing.T) {
	dir := newGoProject(t)
	main, page := filepath.Join(dir, "main.go"), filepath.Join(dir, "page.html")
	p := startIn(t, dir, ".")
	p.waitFor(`building app=` + regexp.QuoteMeta(filepath.Base(dir)))
	_, body := p.get("/")
	expectText(t, body, "opened 1 times")
	s := p.dial("/")
	if got := s.exchange("first"); got != "first" {
		t.Errorf("the echo is %q", got)
	}

	p.save("page.html", replaced(t, page, "has been opened", "was opened"))
	p.waitFor(`reloaded page\.html, generation 2, .*, 1 socket kept open`)
	_, body = p.get("/")
	expectText(t, body, "was opened 2 times")

	good := replaced(t, main, "", "")
	p.save("main.go", replaced(t, main, "layer.SendGroup", "layer.SentGroup"))
	p.waitFor(`reload of main\.go failed; generation 2 continues: main\.go:\d+:\d+: layer\.SentGroup undefined`)
	if got := s.exchange("still there"); got != "still there" {
		t.Errorf("the echo is %q", got)
	}
	p.save("main.go", strings.ReplaceAll(good, `m.Text("text")`, `"new: "+m.Text("text")`))
	p.waitFor(`reloaded main\.go, generation 3, .*, 1 socket kept open`)
	if got := s.exchange("second"); got != "new: second" {
		t.Errorf("the echo is %q", got)
	}
	if status := p.stop(); status != 0 {
		t.Errorf("status %d", status)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".asgibox/go/*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestAGoProgramThatDoesNotBuildIsExplained(t *testing.T) {
	dir := newGoProject(t)
	main := filepath.Join(dir, "main.go")
	good := replaced(t, main, "", "")
	if err := os.WriteFile(main, []byte(good+"\nvar count int = \"one\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := startIn(t, dir, ".")
	status, body := p.get("/")
	if status != 500 {
		t.Errorf("status %d", status)
	}
	expectText(t, body, "cannot use \"one\"")
	expectText(t, body, "main.go:")
	p.save("main.go", good)
	p.waitFor(`reloaded main\.go, generation \d+`)
	if status, body := p.get("/"); status != 200 {
		t.Errorf("status %d: %s", status, body)
	}
}

func TestANodeProgramUsesTheSocket(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("node is not installed")
	}
	worker, err := os.ReadFile("../../examples/worker.mjs")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("worker.mjs", worker, 0o644); err != nil {
		t.Fatal(err)
	}
	p := launch(t, dir, "run", "--port", "0", "--watch", "*.mjs", "--", "node", "worker.mjs")
	p.url = p.appURL()
	if status, body := p.get("/"); status != 200 || body != "Hello World!" {
		t.Errorf("status %d: %s", status, body)
	}
	s := p.dial("/")
	if got := s.exchange("ü"); got != "ü" {
		t.Errorf("the echo is %q", got)
	}
	p.save("worker.mjs", strings.ReplaceAll(string(worker), "Hello World!", "Hello again!"))
	p.waitFor(`reloaded worker\.mjs, generation 2, .*, 1 socket kept open`)
	if _, body := p.get("/"); body != "Hello again!" {
		t.Errorf("the new code responds %q", body)
	}
	if got := s.exchange("again"); got != "again" {
		t.Errorf("the echo is %q", got)
	}
}

// programsIn writes the programs of a page, whose first lines have their names, into
// a folder.
func programsIn(t *testing.T, page, comment string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	block := regexp.MustCompile("(?s)```[a-z]+\n" + comment + " (\\S+)\n(.*?)```")
	for _, m := range block.FindAllStringSubmatch(string(text), -1) {
		if err := os.WriteFile(filepath.Join(dir, m[1]), []byte(m[2]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTheGoProgramInTheDocumentsRuns(t *testing.T) {
	dir := newGoProject(t)
	main, err := os.ReadFile(filepath.Join(programsIn(t, "go.md", "//"), "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.go"), main, 0o644); err != nil {
		t.Fatal(err)
	}
	p := startIn(t, dir, ".")
	if _, body := p.get("/"); body != "Hello World!" {
		t.Errorf("it responds %q", body)
	}
}

func TestThePythonProgramsInTheDocumentsRun(t *testing.T) {
	const debian = "/usr/bin/python3"
	if exec.CommandContext(t.Context(), debian, "-c", "import flask").Run() != nil {
		t.Skip("Debian's packages python3 and python3-flask are not installed")
	}
	t.Chdir(programsIn(t, "python.md", "#"))
	for app, want := range map[string]string{
		"hello.py": "Hello World!", "app.py": "<h1>Visit 1</h1>", "shop:app": "Hello from Flask!", "echo:application": "Hello from ASGI 3!",
		"shop.py": "Hello from Flask!", "echo.py": "Hello from ASGI 3!",
	} {
		t.Run(app, func(t *testing.T) {
			p := launch(t, ".", "run", app, "--port", "0", "--store", "memory", "--control", "off", "--python", debian, "--concurrency", "100")
			p.url = p.appURL()
			if status, body := p.get("/"); status != 200 || body != want {
				t.Errorf("status %d: %q, want %q", status, body, want)
			}
		})
	}
}
