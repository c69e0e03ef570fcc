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
func (b *tab) waitForText(text string) {
	b.Helper()
	b.until(`document.body.innerText.includes(` + quoteJS(text) + `)`)
}

// comesToShow waits for a text on a page that loads itself again meanwhile,
// which ends a wait in the old one.
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
			b.Fatalf("the page never shows %q: %v", text, err)
		}
	}
}

func quoteJS(text string) string { return "`" + strings.ReplaceAll(text, "`", "\\`") + "`" }

// picture keeps a screenshot where ASGIBOX_PICTURES says, for people to look at.
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

// is fails unless the expression is true now.
func (b *tab) check(what, expression string) {
	b.Helper()
	if b.integer("Number("+expression+")") != 1 {
		b.Errorf("not so: %s", what)
	}
}

// write writes into a field as a person does, who ends in it.
func (b *tab) typeInto(selector, value string) {
	b.Helper()
	b.until(`!!document.querySelector(` + quoteJS(selector) + `)`)
	b.run(`const f = document.querySelector(` + quoteJS(selector) + `); f.focus(); f.value = ` + quoteJS(value) + `; f.dispatchEvent(new Event("input", {bubbles: true}))`)
}

// copied clicks a button that copies, and answers what it would have copied.
func (b *tab) copyWith(button string) string {
	b.Helper()
	b.run(`window.copied = ""; navigator.clipboard.writeText = async (text) => { window.copied = text; }`)
	b.clickButton(button)
	b.until(`window.copied !== ""`)
	return b.text(`window.copied`)
}

// keyed presses a key.
func (b *tab) pressKey(key string) {
	b.Helper()
	b.do(chromedp.KeyEvent(key))
}

// prefers makes the page believe that its reader prefers something.
func (b *tab) setMedia(feature, value string) {
	b.Helper()
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: feature, Value: value}},
		})
		return err
	}))
}

// as is a condition that comes to hold while something is done again and again.
func (b *tab) repeatUntil(again func(), condition string) {
	b.Helper()
	for end := time.Now().Add(patience); b.integer(`Number(Boolean(`+condition+`))`) == 0; again() {
		if time.Now().After(end) {
			b.Fatalf("it never holds: %s", condition)
		}
	}
}

func (b *tab) click(selector string) {
	b.Helper()
	b.until(`!!document.querySelector(` + quoteJS(selector) + `)`)
	b.run(`document.querySelector(` + quoteJS(selector) + `).click()`)
}

// press clicks the button with that text.
func (b *tab) clickButton(text string) {
	b.Helper()
	find := `[...document.querySelectorAll("dialog[open] button, main button")].find(x => x.textContent === ` + quoteJS(text) + `)`
	b.until(`!!` + find)
	b.run(`(` + find + `).click()`)
}

// fill writes into a field of the open dialog.
func (b *tab) fill(name, value string) {
	b.Helper()
	field := `document.querySelector("dialog[open] [name=` + name + `]")`
	b.until(`!!` + field)
	b.run(field + `.value = ` + quoteJS(value) + `; undefined`)
}

// refuses submits the open dialog with what is wrong in a field: the dialog says
// so, and keeps what was typed.
func (b *tab) submitInvalid(name, value, want string) {
	b.Helper()
	b.fill(name, value)
	b.click(`dialog[open] [type=submit]`)
	b.until(`document.querySelector("dialog[open] .wrong")?.textContent.includes(` + quoteJS(want) + `)`)
	b.check("what was typed stays", `document.querySelector("dialog[open] [name=`+name+`]").value === `+quoteJS(value))
}

// evaluate answers what an expression comes to on the page.
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

func (b *tab) integer(expression string) int {
	b.Helper()
	return evaluate[int](b, expression)
}

func (b *tab) text(expression string) string {
	b.Helper()
	return evaluate[string](b, expression)
}
