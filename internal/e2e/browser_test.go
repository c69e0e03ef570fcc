package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// browser starts a Chromium that asks nobody but us, and answers what makes
// tabs in it.
func browser(t testing.TB) func() *tab {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("there is no Chromium on this machine")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.WSURLReadTimeout(time.Minute),
	)
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	first, closeFirst := chromedp.NewContext(ctx)
	t.Cleanup(closeFirst)
	if err := chromedp.Do(first); err != nil {
		t.Fatal(err)
	}
	return func() *tab {
		// Each tab is a browser to the page: it shares no storage.
		ctx, cancel := chromedp.NewContext(first, chromedp.WithNewBrowserContext())
		t.Cleanup(cancel)
		if err := chromedp.Do(ctx); err != nil { // what is made first lives as long as its context
			t.Fatal(err)
		}
		return &tab{t, ctx}
	}
}

type tab struct {
	testing.TB
	ctx context.Context
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		last, cancel := context.WithTimeout(b.ctx, time.Second)
		defer cancel()
		text, _ := chromedp.Run(last, chromedp.Evaluate[string](`document.body.innerText`))
		b.Fatalf("%v; the page says:\n%s", err, text)
	}
}

// until waits for the page to make a condition true.
func (b *tab) until(condition string) {
	b.Helper()
	b.do(chromedp.Poll[chromedp.Void](condition, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(patience)))
}

// shows waits for a text.
func (b *tab) shows(text string) {
	b.Helper()
	b.until(`document.body.innerText.includes(` + quoteJS(text) + `)`)
}

// comesToShow waits for a text on a page that loads itself again meanwhile,
// which ends a wait in the old one.
func (b *tab) comesToShow(text string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for {
		err := chromedp.Do(ctx, chromedp.Poll[chromedp.Void](`document.body?.innerText.includes(`+quoteJS(text)+`)`,
			chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(patience)))
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			b.Fatalf("the page never shows %q: %v", text, err)
		}
	}
}

func quoteJS(text string) string { return "`" + strings.ReplaceAll(text, "`", "\\`") + "`" }

// picture keeps a screenshot where ASGIBOX_PICTURES says, for people to look at.
func (b *tab) picture(name string) {
	folder := os.Getenv("ASGIBOX_PICTURES")
	if folder == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o644); err != nil {
		b.Fatal(err)
	}
}

func (b *tab) enterChat(url, name string) {
	b.Helper()
	b.do(
		chromedp.Navigate(url),
		chromedp.WaitVisible(chromedp.CSS(`#hello input`)),
		chromedp.SendKeys(chromedp.CSS(`#hello input`), name+"\r"),
		chromedp.WaitEnabled(chromedp.CSS(`#say input`)),
	)
}

func (b *tab) say(text string) {
	b.Helper()
	b.do(chromedp.SendKeys(chromedp.CSS(`#say input`), text+"\r"))
}

func TestTwoBrowsersChatAcrossAReload(t *testing.T) {
	open := browser(t)
	dir := copyOf(t, "../../examples/chat")
	p := startIn(t, dir, "app.star")

	ada, ben := open(), open()
	ada.do(chromedp.EmulateViewport(1100, 700))
	ben.do(chromedp.EmulateViewport(400, 700))
	ada.enterChat(p.url, "Ada")
	ben.enterChat(p.url, "Ben")
	ada.shows("Ben joined")
	ada.say("Good morning, Ben.")
	ben.shows("Good morning, Ben.")
	ben.say("Morning! Is <b>this</b> drawn as text?")
	ada.shows("Is <b>this</b> drawn as text?")

	// If a socket closed, its page would connect anew and be welcomed again.
	for _, b := range []*tab{ada, ben} {
		b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#log").append(Object.assign(document.createElement("li"), {id: "mark"}))`))
	}
	app, err := os.ReadFile(filepath.Join(dir, "app.star"))
	if err != nil {
		t.Fatal(err)
	}
	p.save("app.star", strings.Replace(string(app), `"text": text,`, `"text": text + " (from the new code)",`, 1))
	p.saw(`reloaded app\.star, generation 2, [^,]+, 2 sockets kept`)
	ada.say("And now?")
	ben.shows("And now? (from the new code)")
	for _, b := range []*tab{ada, ben} {
		b.until(`document.querySelector("#mark") !== null`)
	}
	ada.picture("chat-wide")
	ben.picture("chat-narrow")
	ben.do(chromedp.Navigate("about:blank"))
	p.saw(`WebSocket /chat/lobby/Ben closed`)
	ada.shows("Ben left")
}

func TestABrowserWatchesJobs(t *testing.T) {
	b := browser(t)()
	p := startIn(t, copyOf(t, "../../examples/jobs"), "app.star")
	b.do(chromedp.EmulateViewport(400, 700), chromedp.Navigate(p.url))
	b.shows("listening")
	b.do(chromedp.SetValue(chromedp.CSS(`input[name=below]`), "1000"), chromedp.Click(chromedp.CSS(`#ask button`)))
	b.until(`document.querySelector("li.done b")?.textContent === "168"`)
	b.do(chromedp.SetValue(chromedp.CSS(`input[name=below]`), "20000"), chromedp.Click(chromedp.CSS(`#five`)))
	b.until(`document.querySelectorAll("li.done").length === 6`)
	b.picture("jobs-narrow")
}

func TestAnErrorPageLoadsItselfAgainOnceTheFileIsMended(t *testing.T) {
	b := browser(t)()
	p := start(t, "def index(request):\n    return nmae\n\nchannel_routing = [view(\"/\", index)]\n")
	b.do(chromedp.EmulateViewport(900, 700), chromedp.Navigate(p.url))
	b.shows("nmae is not defined")
	b.picture("error-load")
	p.save("app.star", "def index(request):\n    return {}[\"key\"]\n\nchannel_routing = [view(\"/\", index)]\n")
	b.comesToShow(`key "key" not in dict`)
	b.picture("error-handler")
	p.save("app.star", "def index(request):\n    return \"mended\"\n\nchannel_routing = [view(\"/\", index)]\n")
	b.comesToShow("mended")
}
