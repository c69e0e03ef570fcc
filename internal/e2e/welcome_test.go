package e2e

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"asgibox/examples"
)

// startWelcome runs a server in a new folder without an application.
func startWelcome(t *testing.T, args ...string) *program {
	t.Helper()
	dir := t.TempDir()
	p := launch(t, dir, append([]string{"run", dir, "--port", "0", "--control", "off"}, args...)...)
	p.url = p.appURL()
	return p
}

func TestWithoutAnApplicationTheServerOffersTemplates(t *testing.T) {
	p := startWelcome(t)
	p.waitFor(`app +there is no \S+/app\.star yet`)
	page := browse(t, p.url)
	for _, template := range examples.Templates {
		if !strings.Contains(page, "<b>"+template.Name+"</b>") || !strings.Contains(page, "template="+template.Name+`"><button`) {
			t.Errorf("the page does not offer %s", template.Name)
		}
	}
	status, text := p.get("/")
	if expectText(t, text, "asgibox new chat ."); status != 200 {
		t.Errorf("%d %s", status, text)
	}
	if status, _ := p.get("/rooms"); status != 404 {
		t.Errorf("another path: %d", status)
	}
	create := func(template, origin string) (status int, body string) {
		t.Helper()
		r, err := http.NewRequest(http.MethodPost, p.url+"/__asgibox__/new?template="+template, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		r.Header.Set("Origin", origin)
		client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(b)
	}
	if status, _ := create("hello", "http://evil.example"); status != 403 {
		t.Errorf("a page of another site gets %d", status)
	}
	if status, body := create("nothing", p.url); status != 409 || !strings.Contains(body, "there is no template") {
		t.Errorf("an unknown template: %d %s", status, body)
	}
	if files, err := os.ReadDir(p.dir); err != nil || len(files) > 0 {
		t.Errorf("the folder has %v, %v", files, err)
	}
	if status, body := create("hello", p.url); status != 303 {
		t.Fatalf("%d %s", status, body)
	}
	p.waitFor(`loaded app\.star, generation 1`)
	if status, body := p.get("/"); status != 200 || strings.Contains(body, "Welcome to asgibox") {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := p.get("/__asgibox__/welcome"); status == 204 {
		t.Error("the page is not told that there is an application")
	}
}

func TestTheWelcomePageEndsWhenTheApplicationIsWritten(t *testing.T) {
	for _, args := range [][]string{nil, {"--no-reload"}, {"--tls"}} {
		p := startWelcome(t, args...)
		p.save("app.star", helloApp)
		p.waitFor(`loaded app\.star, generation 1`)
		if args == nil {
			if status, body := p.get("/"); status != 200 || body != "hello" {
				t.Errorf("%d %s", status, body)
			}
		}
		p.stop()
	}
	p := startWelcome(t)
	if status := p.stop(); status != 0 {
		t.Errorf("exit status %d after Ctrl-C", status)
	}
	if files, err := os.ReadDir(p.dir); err != nil || len(files) > 0 {
		t.Errorf("the folder has %v, %v", files, err)
	}
	expectText(t, mustFail(t, "run", p.dir, "--production"), "there is no such file")
	expectText(t, mustFail(t, "run", filepath.Join(p.dir, "other.star")), "there is no such file")
}

func TestATemplateIsChosenInTheBrowser(t *testing.T) {
	b := browser(t)(t)
	p := startWelcome(t)
	b.do(chromedp.EmulateViewport(1280, 800), chromedp.Navigate(p.url))
	b.waitForText("Welcome to asgibox")
	for _, scheme := range []string{"dark", "light"} {
		b.setMedia("prefers-color-scheme", scheme)
		b.screenshot("welcome-" + scheme)
	}
	b.do(chromedp.EmulateViewport(400, 800))
	b.check("nothing is wider than the page", `document.documentElement.scrollWidth <= innerWidth`)
	b.screenshot("welcome-narrow")
	b.run(`document.querySelector("form[action*=poll] button").click()`)
	b.waitForTextAcrossReloads("What do you drink in the morning?")
}
