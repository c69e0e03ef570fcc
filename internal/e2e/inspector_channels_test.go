package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

func testPausedChannel(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(400, 860))
	p := start(t, chatApp, "--store", "memory")
	s := p.dial("/chat")
	p.openView(b, "channels?name=websocket.receive")
	b.clickButton("Pause")
	b.waitForText("paused: messages do not expire")
	for _, text := range []string{"one", "two", "three"} {
		s.send(text)
	}
	b.until(`document.querySelectorAll(".waits").length === 3`)
	b.clickButton("Step")
	if got := s.receive(); got != "one" {
		t.Errorf("after the step: %q", got)
	}
	b.until(`document.querySelectorAll(".waits").length === 2`)
	b.clickButton("Edit…")
	b.until(`!!document.querySelector("dialog[open] textarea")`)
	b.run(`{ const t = document.querySelector("dialog[open] textarea"); t.value = t.value.replace("two", "TWO"); }`)
	b.clickButton("Replace")
	b.waitForText("TWO")
	b.screenshot("inspector-channels-400")
	b.clickButton("Resume")
	if got := s.receive() + s.receive(); got != "TWOthree" {
		t.Errorf("after resuming: %q", got)
	}

	// A pause of replies applies to all connections of a server.
	reply := b.text(`document.querySelector("main tbody .chip[title^='asgibox.response.']").title`)
	b.clickButton("Pause a channel…")
	b.fill("channel", reply+"abc")
	b.click(`dialog[open] [type=submit]`)
	b.waitForText("holds all replies to this server")
	b.until(`document.querySelector(".detail h2 .chip").title === ` + quoteJS(reply))
	b.waitForText("paused: messages do not expire")
	b.clickButton("Resume")
	s.send("four")
	if got := s.receive(); got != "four" {
		t.Errorf("after resuming the replies: %q", got)
	}

	// The opened and edited message is the sent one, with its numbers and bytes
	// and the order of its keys.
	p.mustCommand("send", "jobs", `{"one": 1.0, "big": 9007199254740993, "data": "\uffffAP8=", "dict": {"10": 1, "z": 2, "9": 9223372036854775807}}`)
	p.openView(b, "channels?name=jobs")
	editUnchanged := func() {
		b.until(`!!document.querySelector(".waits")`)
		b.check("the opened row has the numbers", `[...document.querySelectorAll(".waits .inside .literal")].map((n) => n.textContent).join() === "1.0,9007199254740993"`)
		b.clickButton("Edit…")
		b.until(`document.querySelector("dialog[open] textarea")?.value === ` + quoteJS(`{
  "one": 1.0,
  "big": 9007199254740993,
  "data": "\\uffffAP8=",
  "dict": {
    "10": 1,
    "z": 2,
    "9": 9223372036854775807
  }
}`))
		typed := b.text(`document.querySelector("dialog[open] textarea").value`)
		b.submitInvalid("message", `{"text": `, "The message is not JSON")
		b.submitInvalid("message", `[1]`, "must be an object")
		b.fill("message", typed)
		b.clickButton("Replace")
		b.until(`!document.querySelector("dialog[open]")`)
	}
	editUnchanged()
	p.openView(b, "flow")
	b.click(`[data-channel="jobs"] .name`)
	editUnchanged()
	if got := p.mustCommand("receive", "jobs", "--json"); !strings.Contains(got, `"one":1.0`) || !strings.Contains(got, "9007199254740993") || !strings.Contains(got, "AP8=") ||
		!strings.Contains(got, `"dict":{"10":1,"z":2,"9":9223372036854775807}`) {
		t.Errorf("after it was edited: %s", got)
	}
}

func testChaosSliders(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := start(t, chatApp, "--store", "memory")
	p.mustCommand("send", "jobs", `{"n": 1}`)
	p.openView(b, "channels?name=jobs")
	b.clickButton("Pause a channel…")
	b.submitInvalid("channel", "no name", "no name")
	b.clickButton("Cancel")
	b.clickButton("Chaos…")
	b.submitInvalid("rules", "jobs:lose=1%", "use drop, delay or reorder")
	b.clickButton("Cancel")
	rows := `document.querySelectorAll(".scroll tbody tr").length`
	b.until(rows + ` > 1`)
	b.typeInto("main input[type=search]", "job")
	b.until(rows + ` === 1`)
	b.typeInto("main input[type=search]", "")
	b.until(rows + ` > 1`)
	b.click(`details.chaos summary`)
	slide := func(name, value string) {
		b.run(`{ const s = document.querySelector("details.chaos [name=` + name + `]"); s.value = ` + value + `; s.dispatchEvent(new Event("input")); }`)
	}
	slide("delay", "50")
	slide("drop", "100")
	b.waitForText("is on: jobs:drop=100%,delay=50ms")
	b.until(`[...document.querySelectorAll("main tbody tr")].some(r => r.textContent.includes("jobs") && r.textContent.includes("chaos"))`)
	b.waitForText("Chaos is on")
	b.screenshot("inspector-chaos")
	p.mustCommand("send", "jobs", `{"n": 2}`)

	// The sliders start at the rule that applies. Moving one keeps the others.
	expectSliders := func(want string) {
		t.Helper()
		b.until(`[...document.querySelectorAll("details.chaos output")].map((o) => o.textContent).join() === ` + quoteJS(want))
	}
	b.clickButton("Chaos…")
	b.fill("rules", "job*:drop=0.5%,delay=50ms..200ms,reorder=5%\nother:drop=1%")
	b.clickButton("Apply")
	expectSliders("0.5 %,50–200 ms,5 %")
	b.screenshot("inspector-chaos-range")
	slide("drop", "10")
	b.waitForText("is on: jobs:drop=10%,delay=50ms..200ms,reorder=5%")
	for _, name := range []string{"drop", "delay", "reorder"} {
		slide(name, "0")
	}
	b.waitForText("is off: jobs:drop=0%")
	b.clickButton("Chaos…")
	b.until(`document.querySelector("dialog[open] [name=rules]")?.value === "jobs:drop=0%\njob*:drop=0.5%,delay=50ms..200ms,reorder=5%\nother:drop=1%"`)
	b.clickButton("Cancel")

	b.clickButton("Turn chaos off")
	b.until(`document.querySelector("details.chaos summary").textContent === "Chaos "`)
	p.mustCommand("send", "jobs", `{"n": 3}`)
	if got := p.mustCommand("receive", "jobs") + p.mustCommand("receive", "jobs"); !strings.Contains(got, `"n":1`) || !strings.Contains(got, `"n":3`) {
		t.Errorf("received %s", got)
	}
}
