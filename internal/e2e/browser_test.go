package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// browser starts Chromium and returns a function that opens a tab for a test,
// which ends with the test: a page that stays open reconnects to the next server
// on its port and counts towards its viewers. Chromium sends requests only to the
// test's servers.
func browser(t testing.TB) func(testing.TB) *tab {
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
	return func(t testing.TB) *tab {
		t.Helper()
		// Tabs share no storage.
		ctx, cancel := chromedp.NewContext(first, chromedp.WithNewBrowserContext())
		t.Cleanup(cancel)
		if err := chromedp.Do(ctx); err != nil { // creates the target with the context without a timeout
			t.Fatal(err)
		}
		return &tab{t, ctx}
	}
}

// tab is a tab of the browser, with the test that uses it.
type tab struct {
	testing.TB
	ctx context.Context
}

// sibling opens a tab that shares its storage with this one.
func (b *tab) sibling() *tab {
	b.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	b.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		b.Fatal(err)
	}
	return &tab{b.TB, ctx}
}

// do runs the steps.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		last, cancel := context.WithTimeout(b.ctx, time.Second)
		defer cancel()
		text, _ := chromedp.Run(last, chromedp.Evaluate[string](`document.body.innerText + "\n\n" + `+requestsOfPage))
		b.Fatalf("%v; the text and the requests of the page:\n%s", err, text)
	}
}

// requestsOfPage is an expression for the last requests of a page, each with its
// time in milliseconds and the status of the response. A status 0 means that
// there was none.
const requestsOfPage = `performance.getEntriesByType("resource").slice(-40).map((r) => Math.round(r.startTime) + " " + r.initiatorType + " " + r.name + " " + r.responseStatus).join("\n")`

// until waits until a condition holds on the page.
func (b *tab) until(condition string) {
	b.Helper()
	poll := chromedp.Poll[chromedp.Void](condition, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(patience))
	b.do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		for {
			// Right after a navigation, the browser may still name the page before.
			v, err := poll(ctx, t)
			if err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "Cannot find context") {
				return v, err
			}
		}
	})
}

// waitForText waits until the page contains a text.
func (b *tab) waitForText(text string) {
	b.Helper()
	b.until(`document.body.innerText.includes(` + quoteJS(text) + `)`)
}

// waitForTextAcrossReloads waits for a text on a page that reloads itself. Each
// reload ends a poll with an error.
func (b *tab) waitForTextAcrossReloads(text string) {
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
			b.Fatalf("the page never contains %q: %v", text, err)
		}
	}
}

// quoteJS returns text as a JavaScript literal.
func quoteJS(text string) string { return "`" + strings.ReplaceAll(text, "`", "\\`") + "`" }

// screenshot saves a picture of the page in the folder ASGIBOX_PICTURES, if it
// is set.
func (b *tab) screenshot(name string) {
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

// check fails unless the expression is true.
func (b *tab) check(what, expression string) {
	b.Helper()
	if b.integer("Number("+expression+")") != 1 {
		b.Errorf("false: %s", what)
	}
}

// typeInto sets a field as typing does and leaves the focus in it.
func (b *tab) typeInto(selector, value string) {
	b.Helper()
	b.until(`!!document.querySelector(` + quoteJS(selector) + `)`)
	b.run(`const f = document.querySelector(` + quoteJS(selector) + `); f.focus(); f.value = ` + quoteJS(value) + `; f.dispatchEvent(new Event("input", {bubbles: true}))`)
}

// copyWith clicks a button and returns the text that it copies.
func (b *tab) copyWith(button string) string {
	b.Helper()
	b.run(`window.copied = ""; navigator.clipboard.writeText = async (text) => { window.copied = text; }`)
	b.clickButton(button)
	b.until(`window.copied !== ""`)
	return b.text(`window.copied`)
}

// pressKey presses a key.
func (b *tab) pressKey(key string) {
	b.Helper()
	b.do(chromedp.KeyEvent(key))
}

// setMedia sets a media feature of the page, such as a preference.
func (b *tab) setMedia(feature, value string) {
	b.Helper()
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: feature, Value: value}},
		})
		return err
	}))
}

// repeatUntil repeats an action until a condition holds.
func (b *tab) repeatUntil(action func(), condition string) {
	b.Helper()
	for end := time.Now().Add(patience); b.integer(`Number(Boolean(`+condition+`))`) == 0; action() {
		if time.Now().After(end) {
			b.Fatalf("never: %s", condition)
		}
	}
}

// click clicks the first element that matches.
func (b *tab) click(selector string) {
	b.Helper()
	b.until(`!!document.querySelector(` + quoteJS(selector) + `)`)
	b.run(`document.querySelector(` + quoteJS(selector) + `).click()`)
}

// clickButton clicks the button with that text.
func (b *tab) clickButton(text string) {
	b.Helper()
	find := `[...document.querySelectorAll("dialog[open] button, main button")].find(x => x.textContent === ` + quoteJS(text) + `)`
	b.until(`!!` + find)
	b.run(`(` + find + `).click()`)
}

// fill sets a field of the open dialog.
func (b *tab) fill(name, value string) {
	b.Helper()
	field := `document.querySelector("dialog[open] [name=` + name + `]")`
	b.until(`!!` + field)
	b.run(field + `.value = ` + quoteJS(value) + `; undefined`)
}

// submitInvalid submits the open dialog with an invalid field. The dialog must
// show an error and keep the value.
func (b *tab) submitInvalid(name, value, want string) {
	b.Helper()
	b.fill(name, value)
	b.click(`dialog[open] [type=submit]`)
	b.until(`document.querySelector("dialog[open] .wrong")?.textContent.includes(` + quoteJS(want) + `)`)
	b.check("the typed text stays", `document.querySelector("dialog[open] [name=`+name+`]").value === `+quoteJS(value))
}

// evaluate returns the value of an expression on the page.
func evaluate[T any](b *tab, expression string) T {
	b.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.Fatal(err)
	}
	return v
}

// run evaluates statements.
func (b *tab) run(statements string) {
	b.Helper()
	b.do(chromedp.Evaluate[chromedp.Void]("{" + statements + "}"))
}

// integer returns the value of an expression.
func (b *tab) integer(expression string) int {
	b.Helper()
	return evaluate[int](b, expression)
}

// text returns the value of an expression.
func (b *tab) text(expression string) string {
	b.Helper()
	return evaluate[string](b, expression)
}
