package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// looking opens a view of the inspector.
func (p *program) looking(b *tab, view string) {
	p.Helper()
	control := p.saw(`inspector +(http\S+)`)[1]
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(control+"#/"+view))
	b.until(`document.querySelector("#nav [aria-current=page]")?.dataset.view === ` + quoteJS(strings.SplitN(view, "?", 2)[0]))
	b.until(`document.querySelector(".live")?.dataset.how === "live"`)
}

func (b *tab) click(selector string) {
	b.Helper()
	b.until(`!!document.querySelector(` + quoteJS(selector) + `)`)
	b.run(`document.querySelector(` + quoteJS(selector) + `).click()`)
}

// press clicks the button with that text.
func (b *tab) press(text string) {
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
func (b *tab) refuses(name, value, want string) {
	b.Helper()
	b.fill(name, value)
	b.click(`dialog[open] [type=submit]`)
	b.until(`document.querySelector("dialog[open] .wrong")?.textContent.includes(` + quoteJS(want) + `)`)
	b.is("what was typed stays", `document.querySelector("dialog[open] [name=`+name+`]").value === `+quoteJS(value))
}

// TestInspector drives every view of the inspector in a browser.
func TestInspector(t *testing.T) {
	open := browser(t)
	for name, test := range map[string]func(*testing.T, *tab){
		"messages are filtered and held":              testMessagesAreFilteredAndHeld,
		"a chain is a waterfall, copied and replayed": testChainIsAWaterfall,
		"connections are written to and closed":       testConnectionsAreWrittenToAndClosed,
		"Play remembers, and has several sockets":     testPlayRemembers,
		"every view says what is wrong":               testNoticesOnEveryView,
		"narrow, and by keyboard":                     testNarrowAndByKeyboard,
		"elsewhere, and without workers":              testElsewhereAndWithoutWorkers,
		"a chat shows up in every view":               testChatInEveryView,
		"a paused channel holds, steps and is edited": testPausedChannel,
		"a resent message arrives":                    testResentMessage,
		"a channel's messages are lost on purpose":    testChaosSliders,
		"state and play":                              testStateAndPlay,
		"Flow shows what moves":                       testFlowShowsWhatMoves,
		"a paused pipe is stepped and edited on Flow": testBreakpointOnFlow,
		"nothing is cut on a narrow page":             testNarrowPage,
		"colours and motion are the reader's":         testColoursAndMotion,
		"the keyboard alone will do":                  testKeyboardAlone,
	} {
		t.Run(name, func(t *testing.T) {
			b := open()
			b.TB = t
			test(t, b)
		})
	}
}

func testChatInEveryView(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := start(t, chatApp, "--store", "memory")
	ada, ben := p.dial("/chat/ada"), p.dial("/chat/ben")
	talk := func(text string) {
		t.Helper()
		ada.send(text)
		ada.receive()
		ben.receive()
	}
	talk("good <b>morning</b>")
	p.get("/page")

	p.looking(b, "messages")
	b.shows("good <b>morning</b>")
	b.shows("GET /page")
	if n := b.number(`document.querySelectorAll("main b b, main td b").length`); n != 0 {
		t.Error("a message was drawn as HTML")
	}
	b.click(`.messages tr[data-id] .chip.ws`)
	b.until(`document.querySelectorAll(".waterfall .wrow").length >= 1`)
	b.picture("inspector-messages")

	p.looking(b, "messages?filter=path:/page")
	b.shows("GET /page")
	b.click(`.messages tr[data-id] .chip.http`)
	b.shows("handled by worker")
	b.shows("page (app.star")
	b.press("Replay")
	b.shows("page of GET")

	p.looking(b, "connections")
	b.shows("/chat/ada")
	b.shows("/chat/ben")
	b.click(`main tbody tr[tabindex]`)
	talk("watched")
	b.until(`document.querySelector(".tail").innerText.includes("watched")`)
	b.picture("inspector-connections")

	p.looking(b, "groups?name=room")
	b.until(`document.querySelectorAll(".detail tbody tr").length === 2`)
	b.press("Add a member…")
	b.fill("group", "room")
	b.refuses("channel", "no name", "no name")
	b.press("Cancel")
	b.press("Send to all…")
	b.refuses("message", `{"text": `, "The message is not JSON")
	b.refuses("message", `[1]`, "an object is needed")
	b.fill("message", `{"text": "from the page"}`)
	b.press("Send")
	if got := ada.receive() + ben.receive(); got != "from the pagefrom the page" {
		t.Errorf("the sockets got %q", got)
	}

	p.looking(b, "flow")
	b.until(`document.querySelectorAll(".pipe").length >= 3`)
	b.until(`document.querySelector(".fancard b")?.textContent === "room"`)
	b.until(`document.querySelectorAll(".cell").length === 16`)
	b.until(`document.querySelectorAll(".chart canvas").length === 3`)
	talk("for the picture")
	b.picture("inspector-flow")

	p.looking(b, "workers")
	b.shows("of 16 busy")
	b.run(`document.querySelector("input.count").value = 3; undefined`)
	b.press("Change")
	b.shows("of 3 busy")
	p.looking(b, "reloads")
	b.shows("Generation 1")
	b.press("Reload now")
	b.shows("Generation 2")
}

func testPausedChannel(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(400, 860))
	p := start(t, chatApp, "--store", "memory")
	s := p.dial("/chat")
	p.looking(b, "channels?name=websocket.receive")
	b.press("Pause")
	b.shows("paused: nothing expires")
	for _, text := range []string{"one", "two", "three"} {
		s.send(text)
	}
	b.until(`document.querySelectorAll(".waits").length === 3`)
	b.press("Step")
	if got := s.receive(); got != "one" {
		t.Errorf("after the step: %q", got)
	}
	b.until(`document.querySelectorAll(".waits").length === 2`)
	b.press("Edit…")
	b.until(`!!document.querySelector("dialog[open] textarea")`)
	b.run(`{ const t = document.querySelector("dialog[open] textarea"); t.value = t.value.replace("two", "TWO"); }`)
	b.press("Put it in place")
	b.shows("TWO")
	b.picture("inspector-channels-400")
	b.press("Resume")
	if got := s.receive() + s.receive(); got != "TWOthree" {
		t.Errorf("after resuming: %q", got)
	}

	// Replies are paused for all connections of a server.
	reply := b.words(`document.querySelector("main tbody .chip[title^='asgibox.response.']").title`)
	b.press("Pause a channel…")
	b.fill("channel", reply+"abc")
	b.click(`dialog[open] [type=submit]`)
	b.shows("holds every reply of this server")
	b.until(`document.querySelector(".detail h2 .chip").title === ` + quoteJS(reply))
	b.shows("paused: nothing expires")
	b.press("Resume")
	s.send("four")
	if got := s.receive(); got != "four" {
		t.Errorf("after resuming the replies: %q", got)
	}

	// What is opened and edited is what was sent, numbers and bytes too.
	p.mustCommand("send", "jobs", `{"one": 1.0, "big": 9007199254740993, "data": "\uffffAP8="}`)
	p.looking(b, "channels?name=jobs")
	edited := func() {
		b.until(`!!document.querySelector(".waits")`)
		b.is("the opened row has the numbers", `[...document.querySelectorAll(".waits .inside .literal")].map((n) => n.textContent).join() === "1.0,9007199254740993"`)
		b.press("Edit…")
		b.until(`document.querySelector("dialog[open] textarea")?.value === ` + quoteJS(`{
  "one": 1.0,
  "big": 9007199254740993,
  "data": "\\uffffAP8="
}`))
		typed := b.words(`document.querySelector("dialog[open] textarea").value`)
		b.refuses("message", `{"text": `, "The message is not JSON")
		b.refuses("message", `[1]`, "an object is needed")
		b.fill("message", typed)
		b.press("Put it in place")
		b.until(`!document.querySelector("dialog[open]")`)
	}
	edited()
	p.looking(b, "flow")
	b.click(`[data-channel="jobs"] .name`)
	edited()
	if got := p.mustCommand("receive", "jobs", "--json"); !strings.Contains(got, `"one":1.0`) || !strings.Contains(got, "9007199254740993") || !strings.Contains(got, "AP8=") {
		t.Errorf("after it was edited: %s", got)
	}
}

func testChaosSliders(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := start(t, chatApp, "--store", "memory")
	p.mustCommand("send", "jobs", `{"n": 1}`)
	p.looking(b, "channels?name=jobs")
	b.press("Pause a channel…")
	b.refuses("channel", "no name", "no name")
	b.press("Cancel")
	b.press("Chaos…")
	b.refuses("rules", "jobs:lose=1%", "there are drop, delay and reorder")
	b.press("Cancel")
	rows := `document.querySelectorAll(".scroll tbody tr").length`
	b.until(rows + ` > 1`)
	b.write("main input[type=search]", "job")
	b.until(rows + ` === 1`)
	b.write("main input[type=search]", "")
	b.until(rows + ` > 1`)
	b.click(`details.chaos summary`)
	slide := func(name, value string) {
		b.run(`{ const s = document.querySelector("details.chaos [name=` + name + `]"); s.value = ` + value + `; s.dispatchEvent(new Event("input")); }`)
	}
	slide("delay", "50")
	slide("drop", "100")
	b.shows("is on: jobs:drop=100%,delay=50ms")
	b.until(`[...document.querySelectorAll("main tbody tr")].some(r => r.textContent.includes("jobs") && r.textContent.includes("chaos"))`)
	b.shows("chaos is on")
	b.picture("inspector-chaos")
	p.mustCommand("send", "jobs", `{"n": 2}`)

	// The sliders begin at the rule that counts, and leave what they do not move.
	slidersSay := func(want string) {
		t.Helper()
		b.until(`[...document.querySelectorAll("details.chaos output")].map((o) => o.textContent).join() === ` + quoteJS(want))
	}
	b.press("Chaos…")
	b.fill("rules", "job*:drop=0.5%,delay=50ms..200ms,reorder=5%\nother:drop=1%")
	b.press("From now on")
	slidersSay("0.5 %,50–200 ms,5 %")
	b.picture("inspector-chaos-range")
	slide("drop", "10")
	b.shows("is on: jobs:drop=10%,delay=50ms..200ms,reorder=5%")
	for _, name := range []string{"drop", "delay", "reorder"} {
		slide(name, "0")
	}
	b.shows("is off: jobs:drop=0%")
	b.press("Chaos…")
	b.until(`document.querySelector("dialog[open] [name=rules]")?.value === "jobs:drop=0%\njob*:drop=0.5%,delay=50ms..200ms,reorder=5%\nother:drop=1%"`)
	b.press("Cancel")

	b.press("Turn all chaos off")
	b.until(`document.querySelector("details.chaos summary").textContent === "Chaos "`)
	p.mustCommand("send", "jobs", `{"n": 3}`)
	if got := p.mustCommand("receive", "jobs") + p.mustCommand("receive", "jobs"); !strings.Contains(got, `"n":1`) || !strings.Contains(got, `"n":3`) {
		t.Errorf("received %s", got)
	}
}

func testResentMessage(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := start(t, chatApp, "--store", "memory")
	s := p.dial("/chat")
	s.send("hello")
	s.receive()
	p.looking(b, "messages?filter=channel:*!*")
	b.shows("hello")
	b.until(`[...document.querySelectorAll(".messages tr[data-id]")].some(r => r.textContent.includes("hello"))`)
	b.run(`[...document.querySelectorAll(".messages tr[data-id]")].find(r => r.textContent.includes("hello")).click()`)
	b.press("Edit & send again")
	b.fill("message", `{"text": "hello again"}`)
	b.press("Send")
	if got := s.receive(); got != "hello again" {
		t.Errorf("the socket got %q", got)
	}
}

func testStateAndPlay(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := start(t, chatApp, "--store", "memory")
	p.looking(b, "state")
	b.press("Set a key…")
	b.fill("key", "rooms")
	b.fill("value", `["lobby"]`)
	b.press("Set")
	b.shows(`["lobby"]`)
	b.press("Set a key…")
	b.fill("key", "exact")
	b.refuses("value", `[1.0`, "The value is not JSON")
	b.refuses("value", `"`+strings.Repeat("x", 2<<20)+`"`, "too large")
	b.fill("value", `[1.0, 9007199254740993, "\uffffAP8="]`)
	b.press("Set")
	row := `[...document.querySelectorAll("main tbody tr")].find((r) => r.textContent.includes("exact"))`
	for range 2 { // as it was set, and as it was set from what is shown
		b.until(row + `?.textContent.includes("9007199254740993")`)
		b.is("1.0 is shown", `/1\.0\b/.test(`+row+`.textContent)`)
		b.run(row + `.querySelector("button").click()`)
		b.until(`document.querySelector("dialog[open] [name=value]")?.value === ` + quoteJS(`[
  1.0,
  9007199254740993,
  "\\uffffAP8="
]`))
		b.press("Set")
		b.until(`!document.querySelector("dialog[open]")`)
	}

	p.looking(b, "play")
	b.click(`.play form button.primary`)
	b.shows("page of GET")
	for range 2 {
		b.run(`document.querySelector(".play form.line button").click()`)
	}
	b.until(`document.querySelectorAll(".socket .tag.good").length === 2`)
	b.run(`{ const s = document.querySelector(".socket"); s.querySelector("textarea").value = "met in a group"; [...s.querySelectorAll("button")].find(x => x.textContent === "Send").click(); }`)
	b.until(`[...document.querySelectorAll(".socket .talk")].every(t => t.innerText.includes("met in a group"))`)
	b.picture("inspector-play")
}

// evaluated answers what an expression comes to on the page.
func evaluated[T any](b *tab, expression string) T {
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

func (b *tab) number(expression string) int {
	b.Helper()
	return evaluated[int](b, expression)
}

func (b *tab) words(expression string) string {
	b.Helper()
	return evaluated[string](b, expression)
}
