package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func testNarrowWindow(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(400, 860))
	p := start(t, inspectedApp, "--store", "memory")
	s := p.dial("/" + strings.Repeat("a-path-that-does-not-end/", 9))
	s.exchange(strings.Repeat("words without end ", 30))
	s.exchange(strings.Repeat("x", 3000))
	p.get("/?x=" + strings.Repeat("y", 700))
	checkWidth := func(what string) {
		t.Helper()
		if wide := b.integer(`document.documentElement.scrollWidth - innerWidth`); wide > 0 {
			t.Errorf("%s: %d pixels wider than the window", what, wide)
		}
	}
	p.openView(b, "messages")
	b.until(`document.querySelectorAll(".messages tr[data-id]").length >= 7`)
	checkWidth("messages")
	b.do(chromedp.KeyEvent("j"), chromedp.KeyEvent("j"))
	b.until(`document.querySelectorAll(".messages tr")[2].classList.contains("selected") && document.activeElement === document.querySelector(".messages tr.selected")`)
	b.until(`document.querySelectorAll(".waterfall .wrow").length > 1`)
	checkWidth("a message")
	b.openMessage("xxxx")
	b.until(`document.querySelector(".detail").innerText.includes("xxxx")`)
	checkWidth("a long text")
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until(`document.querySelector(".detail").hidden`)

	b.do(chromedp.KeyEvent("4"))
	b.until(`document.querySelectorAll("main tr[tabindex]").length === 1`)
	checkWidth("connections")
	b.do(chromedp.KeyEvent("j"), chromedp.KeyEvent(kb.Enter))
	b.until(`document.querySelectorAll(".frame").length >= 4`)
	b.run(`document.querySelectorAll(".frame summary")[1].click()`)
	b.until(`!!document.querySelector(".frame .full dl")`)
	checkWidth("a connection")
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until(`document.querySelector(".detail").hidden`)
	b.do(chromedp.KeyEvent("/"))
	b.until(`document.activeElement.type === "search"`)
	b.do(chromedp.KeyEvent("9")) // types into the field
	b.until(`document.activeElement.value.endsWith("9")`)
	b.do(chromedp.KeyEvent(kb.Escape), chromedp.KeyEvent("0"))
	b.until(`document.querySelector("#view").dataset.view === "reloads"`)
	checkWidth("reloads")
	p.save("app.star", inspectedApp+`nonsense("`+strings.Repeat("long ", 60)+"\")\n")
	b.until(`document.querySelectorAll(".load mark").length === 1`)
	checkWidth("a load that failed")
	b.check("only the source is cut, and scrolls by itself", `[...document.querySelectorAll(".load, .traceback, .traceback > pre")].every((e) => e.scrollWidth <= e.clientWidth) && [...document.querySelectorAll(".traceback .code")].every((e) => e.scrollWidth > e.clientWidth)`)
	b.check("the page scrolls, not a part of it", `document.querySelector(".scroll").scrollHeight <= document.querySelector(".scroll").clientHeight`)
	b.screenshot("reloads-400")
	p.save("app.star", inspectedApp)
	b.until(`!document.querySelector(".notice")`)

	b.do(chromedp.KeyEvent("9"))
	b.until(`!!document.querySelector(".play")`)
	b.clickButton("Open")
	b.until(`document.querySelectorAll(".socket .tag.good").length === 1`)
	b.click(`.play form button.primary`)
	b.until(`!!document.querySelector(".answered")`)
	checkWidth("play")
	b.run(`document.activeElement.blur()`)
	b.do(chromedp.KeyEvent("?"))
	b.until(`document.querySelector("dialog").open && document.activeElement.textContent === "Close"`)
	for _, key := range []string{"1 – 9, 0", "/", "j, ↓ and k, ↑", "Enter", "Esc", "Space", "t", "?"} {
		b.check("the help has "+key, `[...document.querySelectorAll("dialog kbd")].some((k) => k.textContent === `+quoteJS(key)+`)`)
	}
	checkWidth("the help")
	b.do(chromedp.KeyEvent(kb.Tab))
	b.check("the focus stays in the dialog", `document.querySelector("dialog").contains(document.activeElement) || document.activeElement === document.body`)
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until(`!document.querySelector("dialog").open`)
	b.do(chromedp.KeyEvent("t"))
	b.until(`document.documentElement.dataset.theme === "dark"`)
}

func testNarrowPage(t *testing.T, b *tab) {
	p := start(t, chatApp, "--store", "memory")
	long := "a.channel.with-a-name-that-is-so-long-that-it-does-not-fit-into-any-line-of-a-narrow-page"
	p.dial("/chat/" + long)
	p.mustCommand("pause", long)
	p.mustCommand("send", long, `{"text": "<u>x</u> and some more of a message that is too long for a line"}`)
	p.mustCommand("group", "add", "a-group-"+long, long)
	p.openView(b, "connections")
	b.until(`!!document.querySelector("main tr[data-channel]")`)
	socket := b.text(`document.querySelector("main tr[data-channel]").dataset.channel`)
	for i := range 4 {
		p.mustCommand("group", "add", fmt.Sprintf("%d-a-group-%s", i, long), socket)
		p.mustCommand("send", socket, `{"text": "`+strings.Repeat("x", 2000)+`"}`)
	}
	p.openView(b, "state")
	b.do(chromedp.Evaluate[chromedp.Void](`{ fetch("/api/state/set", { method: "POST", headers: { "Content-Type": "application/json" },
		body: JSON.stringify({ key: "a/key/that/is/rather/long/and/has/no/place/where/it/could/be/broken", value: { list: ["` + long + `"] } }) }) }`))
	for _, view := range []struct{ hash, ready string }{
		{"flow", `document.querySelector(".pipe.paused") && document.querySelectorAll(".fancard").length > 2`},
		{"connections?name=" + socket, `document.querySelectorAll(".tags .tag").length === 4 && document.querySelector(".frame")`},
		{"channels?name=" + long, `document.querySelector(".detail .waits") && document.querySelectorAll(".scroll tr[aria-rowindex], .scroll tbody tr").length > 3`},
		{"groups?name=a-group-" + long, `document.querySelectorAll(".detail tbody td").length === 3`},
		{"workers", `document.querySelectorAll("tbody tr").length === 16`},
		{"state", `document.querySelector("tbody td code") !== null`},
	} {
		for _, width := range []int64{400, 1280} {
			b.do(chromedp.EmulateViewport(width, 860))
			p.openView(b, view.hash)
			b.until(view.ready)
			if n := b.integer(`document.documentElement.scrollWidth - innerWidth`); n > 0 {
				t.Errorf("%s is %d pixels wider than a page of %d", view.hash, n, width)
			}
			if n := b.integer(`Math.max(0, ...[...document.querySelectorAll(".scroll, .detail, .drawer")].map((e) => e.scrollWidth - e.clientWidth))`); n > 0 {
				t.Errorf("%s: %d pixels are cut at %d", view.hash, n, width)
			}
			if strings.HasPrefix(view.hash, "connections?") && width == 1280 {
				b.run(`for (const [i, text] of [[4, "12.3k · 123.4 MiB"], [5, "12.3k · 123.4 MiB"], [6, "1,000 · 15.9 MiB"]]) document.querySelector(".sockets-open tbody tr").children[i].firstChild.textContent = text`)
				b.check("large numbers are not cut", `document.querySelector(".scroll").scrollWidth <= document.querySelector(".scroll").clientWidth`)
				b.screenshot("connections-full")
			}
			if strings.HasPrefix(view.hash, "channels?") {
				b.check("the heading is the whole name", `document.querySelector(".detail h2").innerText === `+quoteJS(long))
				b.check("a cut name keeps its end", `[...document.querySelectorAll("tbody .chip")].some((c) => c.innerText.endsWith("narrow-page"))`)
			}
			if n := b.integer(`document.querySelectorAll("main u").length`); n != 0 {
				t.Errorf("%s draws a message as HTML", view.hash)
			}
			cards := b.integer(`[...document.querySelectorAll(".list tbody tr:has([data-label])")].filter((row) => getComputedStyle(row).display !== "table-row").length`)
			if tables := view.hash != "flow"; (cards > 0) != (tables && width == 400) {
				t.Errorf("%s has %d cards at %d", view.hash, cards, width)
			}
			b.screenshot(fmt.Sprintf("layout-%s-%d", strings.SplitN(view.hash, "?", 2)[0], width))
		}
	}
}

// checkUnits checks numbers at the limit of a unit.
func (b *tab) checkUnits() {
	b.Helper()
	b.run(`import("/js/dom.js").then((m) => { window.dom = m; })`)
	b.until(`!!window.dom`)
	for call, want := range map[string]string{
		"duration(0.9996)": "1.00 ms", "duration(9.996)": "10 ms", "duration(999.4)": "999 ms", "duration(999.7)": "1.00 s", "duration(9996)": "10.0 s", "duration(59940)": "59.9 s", "duration(59970)": "1 min",
		"duration(61000)": "1 min 1 s", "duration(3599600)": "1 h", "duration(3660000)": "1 h 1 min", "duration(0)": "0 µs", "duration()": "–",
		"bytes(1023)": "1023 B", "bytes(1024)": "1.0 KiB", "bytes(1048570)": "1.0 MiB", "bytes(2 ** 30 - 1)": "1.0 GiB", "bytes(2 ** 40)": "1024.0 GiB",
		"number(9999)": "9,999", "number(99960)": "100k", "number(999499)": "999k", "number(999999)": "1.00M", "number(9999999)": "10.0M", "number(9.97)": "10",
		`short("a.long.prefix.that.names.share.a.million.times.01")`: "a.long.prefix…e.a.million.times.01",
		`short("websocket.send.xyzzy!1")`:                            "…!1",
	} {
		if got := b.text("dom." + call); got != want {
			b.Errorf("%s is %q, want %q", call, got, want)
		}
	}
}

func testColoursAndMotion(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := start(t, chatApp, "--store", "memory")
	ada := p.dial("/chat/ada")
	p.openView(b, "flow")
	b.checkUnits()
	b.until(`!!document.querySelector(".pipe .tube") && !!document.querySelector(".lines .route path")`)
	colours := `["body", ".card", ".pipe .name", ".tube", ".cell"].map((s) => getComputedStyle(document.querySelector(s)).backgroundColor + getComputedStyle(document.querySelector(s)).color).join() + getComputedStyle(document.querySelector(".lines .route path")).stroke`
	b.setMedia("prefers-color-scheme", "dark")
	dark := b.text(colours)
	b.setMedia("prefers-color-scheme", "light")
	if light := b.text(colours); light == dark {
		t.Errorf("dark and light are the same: %s", dark)
	}

	b.setMedia("prefers-reduced-motion", "reduce")
	talk := func() {
		ada.send("calmly")
		ada.receive()
	}
	b.repeatUntil(talk, `document.querySelector(".lines .route.lit.in") && document.querySelector(".lines .route.lit.reply") && document.querySelector(".lines .route.lit.group")`)
	if b.integer(`Number(`+dotsIn(".stage")+`)`) != 0 {
		t.Error("dots move although the reader prefers less motion")
	}
	b.screenshot("flow-still")
	b.until(`!document.querySelector(".lines .route.lit")`)
}

func testKeyboard(t *testing.T, b *tab) {
	const escape = "\u001b"
	b.do(chromedp.EmulateViewport(1280, 860))
	p := start(t, chatApp, "--store", "memory")
	s := p.dial("/chat")
	p.openView(b, "flow")
	b.until(`!!document.querySelector('[data-channel="websocket.receive"]')`)
	b.repeatUntil(func() { b.pressKey("j") }, `document.activeElement.closest('[data-channel="websocket.receive"]')`)
	b.until(`document.activeElement.matches(":focus-visible") && getComputedStyle(document.activeElement).outlineStyle === "solid"`)
	b.pressKey("\r")
	b.until(`document.querySelector('[data-channel="websocket.receive"] .drawer') && document.activeElement.getAttribute("aria-expanded") === "true"`)
	b.pressKey("p")
	b.until(`!!document.querySelector(".pipe.paused")`)
	s.send("one")
	s.send("two")
	b.until(`document.querySelectorAll(".drawer .waits").length === 2`)
	b.pressKey("s")
	if got := s.receive(); got != "one" {
		t.Errorf("after the step: %q", got)
	}
	b.until(`document.querySelectorAll(".drawer .waits").length === 1`)
	b.repeatUntil(func() { b.pressKey("\t") }, `document.activeElement.textContent === "Edit…"`)
	b.pressKey("\r")
	b.until(`document.querySelector("dialog[open] textarea") === document.activeElement`)
	b.pressKey(escape)
	b.until(`!document.querySelector("dialog[open]")`)
	b.pressKey("p")
	if got := s.receive(); got != "two" {
		t.Errorf("after resuming: %q", got)
	}
	b.pressKey(escape)
	b.until(`!document.querySelector(".drawer") && document.activeElement.closest('[data-channel="websocket.receive"]')`)

	b.pressKey("5")
	b.until(`document.querySelectorAll("main tbody tr[tabindex]").length >= 3`)
	if n := b.integer(`document.querySelectorAll("main tbody tr[tabindex='0']").length`); n != 1 {
		t.Errorf("Tab stops at %d rows", n)
	}
	b.pressKey("j")
	b.pressKey("j")
	b.until(`document.activeElement === document.querySelectorAll("main tbody tr")[1] && document.activeElement.matches(":focus-visible")`)
	b.pressKey("\r")
	b.until(`!document.querySelector(".detail").hidden && document.querySelector("tr.selected") === document.activeElement`)
	b.pressKey(escape)
	b.until(`document.querySelector(".detail").hidden && document.activeElement === document.querySelectorAll("main tbody tr")[1]`)

	// Keys apply to the row with the focus, not to the open one.
	p.mustCommand("send", "jobs", `{"n": 1}`)
	row := func(name string) string {
		return `[...document.querySelectorAll("main tbody tr")].find((r) => r.key === "` + name + `")`
	}
	b.until(`!!` + row("jobs"))
	b.run(row("http.request") + `.click(); ` + row("jobs") + `.focus()`)
	b.pressKey("p")
	b.until(row("jobs") + `.textContent.includes("paused")`)
	b.check("the open one is not paused", `!`+row("http.request")+`.textContent.includes("paused")`)
	b.pressKey("s")
	b.waitForText("Delivered one message")
	b.pressKey("p")
	b.until(`!` + row("jobs") + `.textContent.includes("paused")`)
	b.run(`document.activeElement.blur()`)
	b.pressKey("p")
	b.until(row("http.request") + `.textContent.includes("paused")`)
	b.pressKey("p")
	b.until(`!` + row("http.request") + `.textContent.includes("paused")`)
	b.pressKey(escape)
	b.until(`document.querySelector(".detail").hidden`)

	b.pressKey("/")
	b.until(`document.activeElement.type === "search"`)
	b.pressKey("websocket.rec")
	b.until(`document.querySelectorAll("main tbody tr").length === 1`)
	b.repeatUntil(func() { b.pressKey("\t") }, `document.activeElement.textContent === "Sent"`)
	b.pressKey("\r")
	b.until(`document.querySelector("th[aria-sort=descending]").textContent === "Sent"`)
}
