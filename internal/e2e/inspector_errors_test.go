package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const brokenApp = `users = {"ada": {"age": 36}, "ben": {}}

def age_of(user, unit = "years"):
    factor = 12 if unit == "months" else 1
    return user["age"] * factor

def page(request):
    name = request.GET.get("name", "ben")
    greeting = "<b>Hello " + name + "</b>"
    return greeting + str(age_of(users[name]))

def job(message):
    log.warning("a slow job")
    numbers = [n * 2 for n in range(100000)]
    return numbers[message["n"]]

def start(request):
    Channel("jobs").send({"n": 1000000, "by": "<u>ada</u>"})
    return "queued"

channel_routing = [view("/", page), view("/job", start), route("jobs", job)]
`

func testErrorsView(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := start(t, brokenApp, "--store", "memory", "--editor", "vscode")
	p.openView(b, "state")
	b.check("there is no count", `document.querySelector(".errorcount").hidden`)
	for range 3 {
		p.get("/")
	}
	b.until(`document.querySelector(".errorcount").textContent === "1 error"`)
	p.get("/job")
	b.until(`document.querySelector(".errorcount").textContent === "2 errors" && document.title.startsWith("(2 errors) State")`)
	red := `getComputedStyle(document.querySelector(".errorcount")).backgroundColor`
	b.pressKey("!")
	b.until(`document.querySelectorAll(".errors tbody tr").length === 3 && document.querySelector("#view").dataset.view === "errors"`)
	b.check("the count is red", red+` !== "rgba(0, 0, 0, 0)"`)
	row := func(text string) string {
		return `[...document.querySelectorAll(".errors tbody tr")].find((r) => r.innerText.includes(` + quoteJS(text) + `))`
	}
	b.until(row(`key "age" not in dict`) + `.children[1].innerText === "3"`)
	b.check("a row has the place and the handler", row(`key "age" not in dict`)+`.innerText.includes("app.star:5") && `+row(`key "age"`)+`.innerText.includes("page (app.star:7)")`)

	// The keyboard opens the errors.
	b.pressKey("/")
	b.until(`document.activeElement.type === "search"`)
	b.pressKey("age_of")
	b.until(`document.querySelectorAll(".errors tbody tr").length === 1 && document.querySelector(".errors .empty")`)
	b.run(`document.activeElement.value = ""`)
	b.pressKey("age")
	b.until(`document.querySelectorAll(".errors tbody tr").length === 1 && document.querySelector(".errors tr[tabindex]")`)
	b.pressKey(kb.Escape)
	b.pressKey("j")
	b.pressKey("\r")
	b.until(`!document.querySelector(".detail").hidden && document.querySelectorAll(".frame-card").length === 2`)
	const calls = `[...document.querySelectorAll(".frame-card")].map((f) => f.querySelector(".culprit").innerText.trim().replace(/\s+/g, " ") + "|" + [...f.querySelectorAll(".locals tr")].map((r) => r.innerText.replace(/\s+/g, "=")).join()).join("; ")`
	want := `10 return greeting + str(age_of(users[name]))|request=<request=GET=/>,name="ben",greeting="<b>Hello=ben</b>"; 5 return user["age"] * factor|user={},unit="years",factor=1`
	b.run(`for (const d of document.querySelectorAll(".frame-card details")) d.dataset.open = d.open, d.open = true`)
	if got := b.text(calls); got != want {
		t.Errorf("the calls are %s, want %s", got, want)
	}
	b.check("the variables of the place of the error are open", `[...document.querySelectorAll(".frame-card details")].map((d) => d.dataset.open).join() === "false,true"`)
	b.check("nothing is drawn as HTML", `document.querySelectorAll(".errors b, .frame-card b, .message u").length === 0`)
	if got, want := b.text(`document.querySelector(".detail .actions .editor").href`), "vscode://file"+p.dir+"/app.star:5:16"; got != want {
		t.Errorf("the link to the editor is %s, want %s", got, want)
	}
	b.check("the hint is shown", `document.querySelector(".detail .hint").innerText.includes("d.get(")`)
	b.until(`document.querySelectorAll(".chain .wrow").length >= 2`)
	b.check("the message is shown", `document.querySelector(".detail dl.message").innerText.includes("GET")`)
	b.check("the times are listed", `document.querySelectorAll(".failures li").length === 3`)
	b.pressKey("r")
	b.waitForText("Replayed: 500")
	b.pressKey(kb.Escape)
	b.until(row(`key "age"`) + `.children[1].innerText === "4" && document.querySelectorAll(".failures li").length === 4`)
	b.pressKey(kb.Escape)
	b.until(`document.querySelector(".detail").hidden && document.activeElement === document.querySelector(".errors tbody tr")`)

	// A failure of a job, and a warning.
	b.run(`const f = document.querySelector("input[type=search]"); f.value = ""; f.dispatchEvent(new Event("input"))`)
	b.clickButton("Warnings")
	b.until(`document.querySelectorAll(".errors tbody tr").length === 1 && document.querySelector(".errors tbody tr").innerText.includes("a slow job")`)
	b.clickButton("All")
	b.until(`document.querySelectorAll(".errors tbody tr").length === 3`)
	b.run(row("out of range") + `.click()`)
	b.until(`document.querySelector(".detail").innerText.includes("<u>ada</u>")`)
	b.check("long values are cut", `[...document.querySelectorAll(".locals td")].some((v) => v.innerText.includes("99980 more"))`)
	b.clickButton("Replay")
	b.waitForText("Sent again to jobs")
	b.until(row("out of range") + `.children[1].innerText === "2"`)

	// A file that does not load is an error until it loads.
	p.save("app.star", strings.Replace(brokenApp, "def job", "deff job", 1))
	b.until(`document.querySelector(".errorcount").textContent === "3 errors"`)
	b.until(row("does not load") + `?.innerText.includes("app.star:12")`)
	b.run(row("does not load") + `.click()`)
	b.until(`document.querySelector(".detail .culprit")?.innerText.includes("deff job")`)
	b.check("nothing can be replayed", `![...document.querySelectorAll(".detail button")].some((x) => x.innerText === "Replay")`)
	p.save("app.star", strings.Replace(brokenApp, `user["age"]`, `user.get("age", 0)`, 1))
	b.until(`document.querySelector(".errorcount").textContent === "3 earlier errors"`)
	b.until(`[...document.querySelectorAll(".errors tbody tr")].every((r) => r.innerText.includes("earlier generation"))`)
	b.clickButton("Now")
	b.until(`document.querySelector(".errors .empty")?.innerText === "No error matches."`)
	b.clickButton("All")

	for _, theme := range []string{"dark", "light"} {
		b.setMedia("prefers-color-scheme", theme)
		for _, width := range []int64{1280, 400} {
			b.do(chromedp.EmulateViewport(width, 860))
			if width == 1280 {
				b.check("the header is one line", `document.querySelector("header").offsetHeight < 60`)
			}
			for _, open := range []string{"", "key \"age\""} {
				p.openView(b, "errors")
				b.until(`document.querySelectorAll(".errors tbody tr").length === 4`)
				if open != "" {
					b.run(row(open) + `.click()`)
					b.until(`document.querySelectorAll(".frame-card").length === 2`)
				}
				if n := b.integer(`document.documentElement.scrollWidth - innerWidth`); n > 0 {
					t.Errorf("%d pixels wider than a page of %d", n, width)
				}
				if n := b.integer(`Math.max(0, ...[...document.querySelectorAll(".scroll, .detail")].map((e) => e.scrollWidth - e.clientWidth))`); n > 0 {
					t.Errorf("%d pixels are cut at %d", n, width)
				}
				b.screenshot(fmt.Sprintf("errors-%s-%d-%t", theme, width, open != ""))
			}
		}
	}

	b.run(`document.querySelector(".detail").scrollIntoView()`)
	b.clickButton("Delete")
	b.until(`document.querySelectorAll(".errors tbody tr").length === 3 && document.querySelector(".detail").hidden`)
	b.clickButton("Clear")
	b.until(`document.querySelector(".errors .empty") && document.querySelector(".errorcount").hidden`)
}

// The error page, the terminal, Messages and Errors lead to one another.
func testErrorLinks(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := start(t, brokenApp, "--store", "memory", "--editor", "idea")
	b.do(chromedp.Navigate(p.url + "/"))
	b.waitForText(`key "age" not in dict`)
	b.check("the page shows the variables", `[...document.querySelectorAll("details")].map((d) => d.open + d.innerText.replace(/\s+/g, " ")).join().includes('trueVariables user {} unit "years" factor 1')`)
	b.check("nothing is drawn as HTML", `document.querySelectorAll("td b").length === 0`)
	b.check("the page leads to the editor", `document.querySelectorAll("header a")[1].href.startsWith("idea://open?file=%2F") && document.querySelectorAll("header a")[1].href.endsWith("app.star&line=5&column=16")`)
	for _, theme := range []string{"dark", "light"} {
		b.setMedia("prefers-color-scheme", theme)
		for _, width := range []int64{1280, 400} {
			b.do(chromedp.EmulateViewport(width, 1000))
			if n := b.integer(`document.documentElement.scrollWidth - innerWidth`); n > 0 {
				t.Errorf("the error page is %d pixels wider than %d", n, width)
			}
			b.screenshot(fmt.Sprintf("errorpage-%s-%d", theme, width))
		}
	}
	b.do(chromedp.EmulateViewport(1280, 860))
	trace := b.text(`document.querySelector("footer code").innerText`)
	link := b.text(`document.querySelector("footer a").href`)
	if want := p.controlURL() + "#/errors/" + trace; link != want {
		t.Errorf("the page links to %s, want %s", link, want)
	}
	if got := p.waitFor(`(?m)^ +(http\S+#/errors/\S+)`)[1]; got != link {
		t.Errorf("the terminal links to %s, the page to %s", got, link)
	}
	b.do(chromedp.Navigate(link))
	b.until(`document.querySelectorAll(".frame-card").length === 2 && document.querySelector(".detail").innerText.includes("` + trace + `")`)
	b.check("a row is selected", `document.querySelectorAll(".errors tr.selected").length === 1`)
	b.run(`[...document.querySelectorAll(".detail a")].find((a) => a.innerText === "In Messages").click()`)
	b.until(`document.querySelector(".messages tr.failed .outcome")?.innerText === "failed"`)
	b.check("a failed message is red", `getComputedStyle(document.querySelector(".messages tr.failed .kind")).color !== getComputedStyle(document.querySelector(".messages tr:not(.failed) .kind")).color`)
	b.screenshot("errors-messages")
	p.openView(b, "messages?filter=kind:failed")
	b.until(`document.querySelectorAll(".messages tr[data-id]").length === 1`)
	b.run(`document.querySelector(".messages tr.failed").click()`)
	b.until(`document.querySelector(".detail .facts")?.innerText.includes('key "age" not in dict')`)
	b.run(`[...document.querySelectorAll(".detail a")].find((a) => a.innerText === "Show the error").click()`)
	b.until(`document.querySelectorAll(".frame-card").length === 2 && document.querySelector("#view").dataset.view === "errors"`)

	// So does Requests.
	p.openView(b, "requests")
	b.openRequest("500")
	b.until(`!![...document.querySelectorAll("main a")].find((a) => a.innerText === "Show the error")`)
	b.run(`[...document.querySelectorAll("main a")].find((a) => a.innerText === "Show the error").click()`)
	b.until(`document.querySelectorAll(".frame-card").length === 2 && document.querySelector("#view").dataset.view === "errors"`)

	// tail has the outcome and the text of the error.
	tail := p.inBackground("tail", "kind:failed").out
	p.eventually("tail shows the failure", func() bool {
		p.get("/")
		return strings.Contains(tail.String(), " failed   http.request") && strings.Contains(tail.String(), `key "age" not in dict`)
	})
}
