package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// overlayApp has a page with a strict policy for scripts and styles.
const overlayApp = `
def index(request):
    return HttpResponse("<!doctype html><html><body><h1>VERSION</h1></body></html>", headers={"content-security-policy": "default-src 'self'"})
channel_routing = [view("/", index)]
`

func TestOpenPagesShowWhyTheApplicationDoesNotLoad(t *testing.T) {
	open := browser(t)
	p := start(t, overlayApp, "--overlay")
	first, second := open(t), open(t)
	sameBrowser := second.sibling()
	tabs := []*tab{first, second, sameBrowser} // the last two share what they learn
	for _, b := range tabs {
		b.do(chromedp.EmulateViewport(1280, 800), chromedp.Navigate(p.url))
		b.waitForText("VERSION")
		b.run("window.kept = true")
	}
	broken := strings.Replace(overlayApp, "index)", "indx)", 1)
	for range 2 {
		p.save("app.star", broken)
		for _, b := range tabs {
			b.until(`document.querySelector("asgibox-error")?.shadowRoot.textContent.includes("app.star:4:30")`)
			b.check("the overlay has the hint and the generation", `/did you mean index\?/.test(document.querySelector("asgibox-error").shadowRoot.textContent) &&
				/app.star does not load; generation \d continues/.test(document.querySelector("asgibox-error").shadowRoot.textContent)`)
			b.check("the overlay has a style", `getComputedStyle(document.querySelector("asgibox-error").shadowRoot.querySelector("section")).position === "fixed"`)
		}
		for _, width := range []int64{1280, 400} {
			for _, scheme := range []string{"light", "dark"} {
				first.setMedia("prefers-color-scheme", scheme)
				first.do(chromedp.EmulateViewport(width, 800))
				first.screenshot("overlay-" + scheme + "-" + map[int64]string{1280: "wide", 400: "narrow"}[width])
				first.check("nothing is wider than the page", `document.documentElement.scrollWidth <= innerWidth`)
			}
		}
		p.save("app.star", strings.Replace(overlayApp, "VERSION", "FIXED", 1))
		for _, b := range tabs {
			b.until(`!document.querySelector("asgibox-error")`)
			b.check("the page did not reload", `window.kept && document.body.innerText.includes("VERSION")`)
		}
	}
	p.save("app.star", broken)
	first.until(`!!document.querySelector("asgibox-error")`)
	first.run(`document.querySelector("asgibox-error").shadowRoot.querySelector("button").click()`)
	first.check("the overlay can be hidden", `!document.querySelector("asgibox-error")`)
	second.do(chromedp.Reload())
	second.until(`!!document.querySelector("asgibox-error")`) // a page that is opened later
	second.check("it is the old page", `document.body.innerText.includes("FIXED")`)
}

func TestAnErrorPageShowsWhyTheFixDoesNotLoad(t *testing.T) {
	b := browser(t)(t)
	p := start(t, `channel_routing = [view("/", lambda request: 1 // 0)]`)
	b.do(chromedp.Navigate(p.url))
	b.waitForText("division by zero")
	p.save("app.star", `channel_routing = [view("/", lambda request: 1 // )]`)
	b.until(`document.querySelector("asgibox-error")?.shadowRoot.textContent.includes("app.star:1")`)
	p.save("app.star", `channel_routing = [view("/", lambda request: "fixed")]`)
	b.waitForTextAcrossReloads("fixed")
}

func TestRequestsOfOpenPagesAreNeitherLoggedNorCountedNorRecorded(t *testing.T) {
	p := start(t, overlayApp+"\nfail('no')\n", "--live", "--access-log", "-")
	var before, after struct{ Sent, Requests int }
	count := func(to any) {
		t.Helper()
		body, err := getBody(http.DefaultClient, p.controlURL()+"api/status")
		if err == nil {
			err = json.Unmarshal([]byte(body), to)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r, err := http.NewRequest(http.MethodGet, p.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	p.waitFor(`GET / 500`)
	p.waitFor(`"GET /" 500`)
	p.eventually("the request is counted", func() bool {
		count(&before)
		return before.Requests > 0
	})
	for range 3 {
		for _, path := range []string{"/__asgibox__/state", "/__asgibox__/page.js"} {
			if status, body := p.get(path); status != 200 {
				t.Fatalf("%s: %d %s", path, status, body)
			}
		}
	}
	if count(&after); after != before || before.Sent == 0 {
		t.Errorf("before: %+v, after: %+v", before, after)
	}
	if strings.Contains(p.out.String(), "__asgibox__") {
		t.Errorf("the requests are logged:\n%s", p.out)
	}
}
