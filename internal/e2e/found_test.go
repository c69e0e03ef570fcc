package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestTheBannerSaysWhatTheStoreHasKept(t *testing.T) {
	const app = `
def index(request):
    request.session["seen"] = True
    for channel, n in {"jobs": 5, "mail": 1, "news": 2, "rest": 1}.items():
        for _ in range(n):
            Channel(channel).send({})
    Channel("jobs").send_later(3600, {})
    return "sent"
channel_routing = [view("/", index)]
`
	dir := filepath.Dir(writeApp(t, app))
	p := startIn(t, dir, "app.star")
	if strings.Contains(p.out.String(), "found") {
		t.Errorf("an empty store has something:\n%s", p.out)
	}
	if status, body := p.get("/"); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	p.stop()
	p = startIn(t, dir, "app.star")
	p.waitFor(`found +5 messages on jobs, 2 messages on news, 1 message on mail, 1 message on other channels, 1 delayed, 1 session\n`)
}
