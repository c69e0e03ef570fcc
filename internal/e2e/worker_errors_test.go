package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// controlGet requests a path of the control server.
func (p *program) controlGet(path string) string {
	p.Helper()
	r, err := http.Get(strings.TrimSuffix(p.controlURL(), "/") + path)
	if err != nil {
		p.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		p.Fatal(err)
	}
	return string(body)
}

func TestErrorsOfOtherProcessesAreShown(t *testing.T) {
	p := start(t, brokenApp, "--no-workers")
	w := p.worker()
	p.get("/")
	w.waitFor(`(?m)^ +http\S+#/errors/\S+`)
	list := func() string { return p.controlGet("/api/errors") }
	p.eventually("the error of the worker is in the list", func() bool {
		return strings.Contains(list(), `key \"age\" not in dict`) && strings.Contains(list(), `asgibox worker, process`) && strings.Contains(list(), `"now":true`)
	})
	p.eventually("its message has failed", func() bool {
		return strings.Contains(p.controlGet("/api/messages?filter=kind:failed"), `"channel":"http.request"`)
	})
	p.get("/job")
	p.eventually("the warning of the worker is in the list", func() bool { return strings.Contains(list(), "a slow job") })
	p.save("app.star", strings.ReplaceAll(brokenApp, `["age"]`, `.get("age", 1)`))
	w.waitFor("generation 2")
	p.eventually("the errors are of an earlier generation", func() bool { return !strings.Contains(list(), `"now":true`) })
}
