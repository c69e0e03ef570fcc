package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAccessLogFlag(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	p := start(t, helloApp, "--access-log", path, "--log-format", "text")
	p.get("/x?y=1")
	p.stop()
	b, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(b), `"GET /x?y=1" 200 5`) {
		t.Errorf("%v %s", err, b)
	}
}

func TestJSONLogHasAnObjectInEachLine(t *testing.T) {
	app := writeApp(t, helloApp)
	p := launch(t, filepath.Dir(app), "run", app, "-p", "0", "--log-format", "json")
	p.url = p.waitFor(`"urls":\["(http[^"]*[0-9])/"`)[1]
	p.get("/")
	p.waitFor(`"msg":"HTTP".*"status":200`)
	p.stop()
	for _, line := range strings.Split(strings.TrimSpace(p.out.String()), "\n") {
		if !strings.HasPrefix(line, "{") || !strings.HasSuffix(line, "}") {
			t.Errorf("%q", line)
		}
	}
}
