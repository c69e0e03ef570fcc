package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"asgibox/internal/cli"
)

func TestAnAccessLogIsWritten(t *testing.T) {
	dir := dirWith(t, t.TempDir(), helloApp)
	path := filepath.Join(dir, "access.log")
	p := startIn(t, dir, "app.star", "--access-log", path, "--log-format", "text")
	p.get("/x?y=1")
	p.stop()
	b, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(b), `"GET /x?y=1" 200 5`) {
		t.Errorf("%v %s", err, b)
	}
}

func TestJSONLogsAreOneObjectALine(t *testing.T) {
	dir := dirWith(t, t.TempDir(), helloApp)
	out := newTranscript()
	p := &program{TB: t, dir: dir, out: out}
	ctx, cancel := context.WithCancel(t.Context())
	status := make(chan int)
	go func() {
		status <- cli.Run(ctx, []string{"run", filepath.Join(dir, "app.star"), "-p", "0", "--log-format", "json"}, strings.NewReader(""), out, out)
	}()
	p.url = p.saw(`"urls":\["(http[^"]*[0-9])/"`)[1]
	p.get("/")
	p.saw(`"msg":"HTTP".*"status":200`)
	cancel()
	<-status
	for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		if !strings.HasPrefix(line, "{") || !strings.HasSuffix(line, "}") {
			t.Errorf("%q", line)
		}
	}
}
