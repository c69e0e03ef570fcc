package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// keyed presses a key.
func (b *tab) keyed(key string) {
	b.Helper()
	b.do(chromedp.KeyEvent(key))
}

// prefers makes the page believe that its reader prefers something.
func (b *tab) prefers(feature, value string) {
	b.Helper()
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: feature, Value: value}},
		})
		return err
	}))
}

// as is a condition that comes to hold while something is done again and again.
func (b *tab) as(again func(), condition string) {
	b.Helper()
	for end := time.Now().Add(patience); b.number(`Number(Boolean(`+condition+`))`) == 0; again() {
		if time.Now().After(end) {
			b.Fatalf("it never holds: %s", condition)
		}
	}
}

// drawn is a condition: dots are drawn on Flow, within the element.
func drawn(selector string) string {
	return `(() => {
		const canvas = document.querySelector("canvas.dots"), all = canvas.getBoundingClientRect();
		const part = document.querySelector(` + quoteJS(selector) + `).getBoundingClientRect();
		const ratio = canvas.width / all.width;
		const box = [part.left - all.left, part.top - all.top, part.width, part.height].map((n) => Math.round(n * ratio));
		return canvas.getContext("2d").getImageData(...box).data.some((v) => v > 0);
	})()`
}

func testFlowShowsWhatMoves(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	b.prefers("prefers-color-scheme", "dark")
	p := start(t, chatApp, "--store", "memory")
	p.looking(b, "flow")
	b.shows("Nothing has moved yet.")
	b.until(`document.querySelector(".invite a[href='#/play']") !== null`)
	b.picture("flow-empty")

	ada, ben := p.dial("/chat/ada"), p.dial("/chat/ben")
	talk := func() {
		ada.send("good morning")
		ada.receive()
		ben.receive()
	}
	talk()
	b.until(`document.querySelector(".invite").hidden`)
	b.until(`document.querySelector(".front .figure b").textContent === "2"`)
	b.until(`document.querySelector(".fancard").innerText.includes("room") && document.querySelector(".fancard").innerText.includes("2 members")`)
	b.until(`document.querySelectorAll(".lines .group .member").length === 2`)
	b.until(`document.querySelectorAll(".cells .cell").length === 16`)
	b.until(`document.querySelectorAll(".chart canvas").length === 3`)
	b.until(`document.querySelectorAll(".chart .now")[1].textContent.startsWith("p50 –")`) // no request yet
	b.as(talk, drawn(`[data-channel="websocket.receive"] .tube`))
	b.as(talk, drawn(`.pipe.reply .tube`))
	b.as(talk, drawn(`.fan`))
	b.as(talk, `document.querySelector(".cell.did")?.innerText.includes("receive")`)

	p.mustCommand("send", "jobs", `{"n": 1}`)
	b.until(`document.querySelector('.pipe.own[data-channel="jobs"] .depth')?.textContent === "1 of 1,000 wait"`)
	b.until(`document.querySelector('.pipe.own[data-channel="jobs"] .age').textContent.startsWith("oldest ")`)
	b.until(`document.querySelectorAll(".lines .way.own").length === 1`)
	talk()
	b.picture("flow")
}

func testBreakpointOnFlow(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := start(t, chatApp, "--store", "memory")
	s := p.dial("/chat")
	p.looking(b, "flow")
	b.click(`[data-channel="websocket.receive"] .valve`)
	b.until(`document.querySelector('[data-channel="websocket.receive"]').matches(".paused.open:has(.drawer)")`)
	for _, text := range []string{"one", "<i>two</i>", "three", "four"} {
		s.send(text)
	}
	b.until(`document.querySelectorAll(".drawer .waits").length === 4`)
	b.shows("4 held; nothing expires. The socket stays open.")
	if n := b.number(`document.querySelectorAll("main i:not([class]), dialog i").length`); n != 0 {
		t.Error("a message was drawn as HTML")
	}
	b.picture("flow-breakpoint")
	b.click(`.drawer [title^="Let one"]`)
	if got := s.receive(); got != "one" {
		t.Errorf("after the step: %q", got)
	}
	b.until(`document.querySelectorAll(".drawer .waits").length === 3`)
	b.press("Edit…")
	b.until(`!!document.querySelector("dialog[open] textarea")`)
	b.run(`{ const t = document.querySelector("dialog[open] textarea"); t.value = t.value.replace("<i>two</i>", "TWO"); }`)
	b.press("Put it in place")
	b.until(`document.querySelector(".drawer .waits .what").textContent === "TWO"`)
	b.run(`[...document.querySelectorAll(".drawer .waits")].find((row) => row.innerText.includes("three")).querySelector(".danger").click()`)
	b.until(`document.querySelectorAll(".drawer .waits").length === 2`)
	b.press("Resume")
	if got := s.receive() + s.receive(); got != "TWOfour" {
		t.Errorf("after resuming: %q", got)
	}
	b.shows("Nothing waits.")
	b.until(`!document.querySelector(".pipe.paused")`)
}

func testNarrowPage(t *testing.T, b *tab) {
	p := start(t, chatApp, "--store", "memory")
	long := "a.channel.with-a-name-that-is-so-long-that-it-does-not-fit-into-any-line-of-a-narrow-page"
	p.dial("/chat/" + long)
	p.mustCommand("pause", long)
	p.mustCommand("send", long, `{"text": "<u>x</u> and some more of a message that is too long for a line"}`)
	p.mustCommand("group", "add", "a-group-"+long, long)
	p.looking(b, "connections")
	b.until(`!!document.querySelector("main tr[data-channel]")`)
	socket := b.words(`document.querySelector("main tr[data-channel]").dataset.channel`)
	for i := range 4 {
		p.mustCommand("group", "add", fmt.Sprintf("%d-a-group-%s", i, long), socket)
		p.mustCommand("send", socket, `{"text": "`+strings.Repeat("x", 2000)+`"}`)
	}
	p.looking(b, "state")
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
			p.looking(b, view.hash)
			b.until(view.ready)
			if n := b.number(`document.documentElement.scrollWidth - innerWidth`); n > 0 {
				t.Errorf("%s is %d pixels wider than a page of %d", view.hash, n, width)
			}
			if n := b.number(`Math.max(0, ...[...document.querySelectorAll(".scroll, .detail, .drawer")].map((e) => e.scrollWidth - e.clientWidth))`); n > 0 {
				t.Errorf("%s: something is cut by %d pixels at %d", view.hash, n, width)
			}
			if strings.HasPrefix(view.hash, "connections?") && width == 1280 {
				b.run(`for (const [i, text] of [[4, "12.3k · 123.4 MiB"], [5, "12.3k · 123.4 MiB"], [6, "1,000 · 15.9 MiB"]]) document.querySelector(".sockets-open tbody tr").children[i].firstChild.textContent = text`)
				b.is("much in figures fits", `document.querySelector(".scroll").scrollWidth <= document.querySelector(".scroll").clientWidth`)
				b.picture("connections-full")
			}
			if strings.HasPrefix(view.hash, "channels?") {
				b.is("the heading is the whole name", `document.querySelector(".detail h2").innerText === `+quoteJS(long))
				b.is("a cut name keeps its end", `[...document.querySelectorAll("tbody .chip")].some((c) => c.innerText.endsWith("narrow-page"))`)
			}
			if n := b.number(`document.querySelectorAll("main u").length`); n != 0 {
				t.Errorf("%s draws a message as HTML", view.hash)
			}
			cards := b.number(`[...document.querySelectorAll(".list tbody tr:has([data-label])")].filter((row) => getComputedStyle(row).display !== "table-row").length`)
			if tables := view.hash != "flow"; (cards > 0) != (tables && width == 400) {
				t.Errorf("%s has %d cards at %d", view.hash, cards, width)
			}
			b.picture(fmt.Sprintf("fits-%s-%d", strings.SplitN(view.hash, "?", 2)[0], width))
		}
	}
}

// unitsAreSaid checks numbers at the edge of a unit.
func (b *tab) unitsAreSaid() {
	b.Helper()
	b.run(`import("/js/dom.js").then((m) => { window.dom = m; })`)
	b.until(`!!window.dom`)
	for call, want := range map[string]string{
		"took(0.9996)": "1.00 ms", "took(9.996)": "10 ms", "took(999.4)": "999 ms", "took(999.7)": "1.00 s", "took(9996)": "10.0 s", "took(59940)": "59.9 s", "took(59970)": "1 min",
		"took(61000)": "1 min 1 s", "took(3599600)": "1 h", "took(3660000)": "1 h 1 min", "took(0)": "0 µs", "took()": "–",
		"bytes(1023)": "1023 B", "bytes(1024)": "1.0 KiB", "bytes(1048570)": "1.0 MiB", "bytes(2 ** 30 - 1)": "1.0 GiB", "bytes(2 ** 40)": "1024.0 GiB",
		"number(9999)": "9,999", "number(99960)": "100k", "number(999499)": "999k", "number(999999)": "1.00M", "number(9999999)": "10.0M", "number(9.97)": "10",
		`short("a.long.prefix.that.names.share.a.million.times.01")`: "a.long.prefix…e.a.million.times.01",
		`short("websocket.send.xyzzy!1")`:                            "…!1",
	} {
		if got := b.words("dom." + call); got != want {
			b.Errorf("%s is %q, want %q", call, got, want)
		}
	}
}

func testColoursAndMotion(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := start(t, chatApp, "--store", "memory")
	ada := p.dial("/chat/ada")
	p.looking(b, "flow")
	b.unitsAreSaid()
	b.until(`!!document.querySelector(".pipe .tube") && !!document.querySelector(".lines .way path")`)
	colours := `["body", ".card", ".pipe .name", ".tube", ".cell"].map((s) => getComputedStyle(document.querySelector(s)).backgroundColor + getComputedStyle(document.querySelector(s)).color).join() + getComputedStyle(document.querySelector(".lines .way path")).stroke`
	b.prefers("prefers-color-scheme", "dark")
	dark := b.words(colours)
	b.prefers("prefers-color-scheme", "light")
	if light := b.words(colours); light == dark {
		t.Errorf("dark and light are the same: %s", dark)
	}

	b.prefers("prefers-reduced-motion", "reduce")
	talk := func() {
		ada.send("calmly")
		ada.receive()
	}
	b.as(talk, `document.querySelector(".lines .way.lit.in") && document.querySelector(".lines .way.lit.reply") && document.querySelector(".lines .way.lit.group")`)
	if b.number(`Number(`+drawn(".stage")+`)`) != 0 {
		t.Error("dots move though the reader wants less motion")
	}
	b.picture("flow-still")
	b.until(`!document.querySelector(".lines .way.lit")`)
}

func testKeyboardAlone(t *testing.T, b *tab) {
	const escape = "\u001b"
	b.do(chromedp.EmulateViewport(1280, 860))
	p := start(t, chatApp, "--store", "memory")
	s := p.dial("/chat")
	p.looking(b, "flow")
	b.until(`!!document.querySelector('[data-channel="websocket.receive"]')`)
	b.as(func() { b.keyed("j") }, `document.activeElement.closest('[data-channel="websocket.receive"]')`)
	b.until(`document.activeElement.matches(":focus-visible") && getComputedStyle(document.activeElement).outlineStyle === "solid"`)
	b.keyed("\r")
	b.until(`document.querySelector('[data-channel="websocket.receive"] .drawer') && document.activeElement.getAttribute("aria-expanded") === "true"`)
	b.keyed("p")
	b.until(`!!document.querySelector(".pipe.paused")`)
	s.send("one")
	s.send("two")
	b.until(`document.querySelectorAll(".drawer .waits").length === 2`)
	b.keyed("s")
	if got := s.receive(); got != "one" {
		t.Errorf("after the step: %q", got)
	}
	b.until(`document.querySelectorAll(".drawer .waits").length === 1`)
	b.as(func() { b.keyed("\t") }, `document.activeElement.textContent === "Edit…"`)
	b.keyed("\r")
	b.until(`document.querySelector("dialog[open] textarea") === document.activeElement`)
	b.keyed(escape)
	b.until(`!document.querySelector("dialog[open]")`)
	b.keyed("p")
	if got := s.receive(); got != "two" {
		t.Errorf("after resuming: %q", got)
	}
	b.keyed(escape)
	b.until(`!document.querySelector(".drawer") && document.activeElement.closest('[data-channel="websocket.receive"]')`)

	b.keyed("4")
	b.until(`document.querySelectorAll("main tbody tr[tabindex]").length >= 3`)
	if n := b.number(`document.querySelectorAll("main tbody tr[tabindex='0']").length`); n != 1 {
		t.Errorf("Tab stops at %d rows", n)
	}
	b.keyed("j")
	b.keyed("j")
	b.until(`document.activeElement === document.querySelectorAll("main tbody tr")[1] && document.activeElement.matches(":focus-visible")`)
	b.keyed("\r")
	b.until(`!document.querySelector(".detail").hidden && document.querySelector("tr.selected") === document.activeElement`)
	b.keyed(escape)
	b.until(`document.querySelector(".detail").hidden && document.activeElement === document.querySelectorAll("main tbody tr")[1]`)

	// The row that has the focus counts, whatever is open.
	p.mustCommand("send", "jobs", `{"n": 1}`)
	row := func(name string) string {
		return `[...document.querySelectorAll("main tbody tr")].find((r) => r.key === "` + name + `")`
	}
	b.until(`!!` + row("jobs"))
	b.run(row("http.request") + `.click(); ` + row("jobs") + `.focus()`)
	b.keyed("p")
	b.until(row("jobs") + `.textContent.includes("paused")`)
	b.is("the open one is not paused", `!`+row("http.request")+`.textContent.includes("paused")`)
	b.keyed("s")
	b.shows("One message passed")
	b.keyed("p")
	b.until(`!` + row("jobs") + `.textContent.includes("paused")`)
	b.run(`document.activeElement.blur()`)
	b.keyed("p")
	b.until(row("http.request") + `.textContent.includes("paused")`)
	b.keyed("p")
	b.until(`!` + row("http.request") + `.textContent.includes("paused")`)
	b.keyed(escape)
	b.until(`document.querySelector(".detail").hidden`)

	b.keyed("/")
	b.until(`document.activeElement.type === "search"`)
	b.keyed("websocket.rec")
	b.until(`document.querySelectorAll("main tbody tr").length === 1`)
	b.as(func() { b.keyed("\t") }, `document.activeElement.textContent === "Sent"`)
	b.keyed("\r")
	b.until(`document.querySelector("th[aria-sort=descending]").textContent === "Sent"`)
}
