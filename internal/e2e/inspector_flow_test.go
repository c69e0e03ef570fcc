package e2e

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// dotsIn is the condition that Flow draws dots within the element.
func dotsIn(selector string) string {
	return `(() => {
		const canvas = document.querySelector("canvas.dots"), all = canvas.getBoundingClientRect();
		const part = document.querySelector(` + quoteJS(selector) + `).getBoundingClientRect();
		const ratio = canvas.width / all.width;
		const box = [part.left - all.left, part.top - all.top, part.width, part.height].map((n) => Math.round(n * ratio));
		return canvas.getContext("2d").getImageData(...box).data.some((v) => v > 0);
	})()`
}

func testFlow(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	b.setMedia("prefers-color-scheme", "dark")
	p := start(t, chatApp, "--store", "memory")
	p.openView(b, "flow")
	b.waitForText("No messages yet.")
	b.until(`document.querySelector(".invite a[href='#/play']") !== null`)
	b.screenshot("flow-empty")

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
	b.repeatUntil(talk, dotsIn(`[data-channel="websocket.receive"] .tube`))
	b.repeatUntil(talk, dotsIn(`.pipe.reply .tube`))
	b.repeatUntil(talk, dotsIn(`.fan`))
	b.repeatUntil(talk, `document.querySelector(".cell.did")?.innerText.includes("receive")`)

	p.mustCommand("send", "jobs", `{"n": 1}`)
	b.until(`document.querySelector('.pipe.own[data-channel="jobs"] .depth')?.textContent === "1 of 1,000 waiting"`)
	b.until(`document.querySelector('.pipe.own[data-channel="jobs"] .age').textContent === "nobody reads it"`)
	b.until(`document.querySelector('.pipe.own[data-channel="jobs"] .age').title.startsWith("Age of the first message: ")`)
	b.until(`document.querySelectorAll(".lines .route.own").length === 1`)
	talk()
	b.screenshot("flow")
}

func testBreakpointOnFlow(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := start(t, chatApp, "--store", "memory")
	s := p.dial("/chat")
	p.openView(b, "flow")
	b.click(`[data-channel="websocket.receive"] .valve`)
	b.until(`document.querySelector('[data-channel="websocket.receive"]').matches(".paused.open:has(.drawer)")`)
	for _, text := range []string{"one", "<i>two</i>", "three", "four"} {
		s.send(text)
	}
	b.until(`document.querySelectorAll(".drawer .waits").length === 4`)
	b.waitForText("4 held; messages do not expire. The socket stays open.")
	if n := b.integer(`document.querySelectorAll("main i:not([class]), dialog i").length`); n != 0 {
		t.Error("a message was drawn as HTML")
	}
	b.screenshot("flow-breakpoint")
	b.click(`.drawer [title^="Deliver one"]`)
	if got := s.receive(); got != "one" {
		t.Errorf("after the step: %q", got)
	}
	b.until(`document.querySelectorAll(".drawer .waits").length === 3`)
	b.clickButton("Edit…")
	b.until(`!!document.querySelector("dialog[open] textarea")`)
	b.run(`{ const t = document.querySelector("dialog[open] textarea"); t.value = t.value.replace("<i>two</i>", "TWO"); }`)
	b.clickButton("Replace")
	b.until(`document.querySelector(".drawer .waits .what").textContent === "TWO"`)
	b.run(`[...document.querySelectorAll(".drawer .waits")].find((row) => row.innerText.includes("three")).querySelector(".danger").click()`)
	b.until(`document.querySelectorAll(".drawer .waits").length === 2`)
	b.clickButton("Resume")
	if got := s.receive() + s.receive(); got != "TWOfour" {
		t.Errorf("after resuming: %q", got)
	}
	b.waitForText("No messages are waiting.")
	b.until(`!document.querySelector(".pipe.paused")`)
}
