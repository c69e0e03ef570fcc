package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// openView opens a view of the inspector.
func (p *program) openView(b *tab, view string) {
	p.Helper()
	control := p.controlURL()
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(control+"#/"+view))
	b.until(`document.querySelector("#nav [aria-current=page]")?.dataset.view === ` + quoteJS(strings.SplitN(view, "?", 2)[0]))
	b.until(`document.querySelector(".live")?.dataset.how === "live"`)
}

// TestInspector tests every view of the inspector in a browser.
func TestInspector(t *testing.T) {
	open := browser(t)
	for name, test := range map[string]func(*testing.T, *tab){
		"messages can be filtered and held":              testMessageFilterAndHold,
		"a trace is a waterfall":                         testWaterfall,
		"a waterfall grows while messages come":          testGrowingWaterfall,
		"requests are listed and shown":                  testRequests,
		"bodies are shown safely":                        testBodies,
		"requests are copied and replayed":               testRequestCopies,
		"requests fit the page, and keys suffice":        testRequestLayout,
		"connections can be sent to and closed":          testConnectionForms,
		"Play has a history and several sockets":         testPlayHistory,
		"every view shows notices":                       testNotices,
		"narrow window and keyboard":                     testNarrowWindow,
		"errors have a view":                             testErrorsView,
		"errors are linked":                              testErrorLinks,
		"token and no workers":                           testTokenAndNoWorkers,
		"every view shows a chat":                        testChatInEveryView,
		"a paused channel is stepped and edited":         testPausedChannel,
		"a resent message is delivered":                  testResentMessage,
		"chains are saved as a test":                     testSaveAsTest,
		"chaos sliders":                                  testChaosSliders,
		"state and play":                                 testStateAndPlay,
		"Flow shows moving messages":                     testFlow,
		"a paused channel is stepped and edited on Flow": testBreakpointOnFlow,
		"readers are shown, and missing ones":            testReaders,
		"processes of the application are shown":         testProcesses,
		"text is legible":                                testLegibility,
		"nothing is cut on a narrow page":                testNarrowPage,
		"colours and motion follow preferences":          testColoursAndMotion,
		"the keyboard is sufficient":                     testKeyboard,
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
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

	p.openView(b, "messages")
	b.waitForText("good <b>morning</b>")
	b.waitForText("GET /page")
	if n := b.integer(`document.querySelectorAll("main b b, main td b").length`); n != 0 {
		t.Error("a message was drawn as HTML")
	}
	b.click(`.messages tr[data-id] .chip.ws`)
	b.until(`document.querySelectorAll(".waterfall .wrow").length >= 1`)
	b.screenshot("inspector-messages")

	p.openView(b, "messages?filter=path:/page")
	b.waitForText("GET /page")
	b.click(`.messages tr[data-id] .chip.http`)
	b.waitForText("handled by worker")
	b.waitForText("page (app.star")
	b.clickButton("Replay")
	b.waitForText("page of GET")

	p.openView(b, "connections")
	b.waitForText("/chat/ada")
	b.waitForText("/chat/ben")
	b.click(`main tbody tr[tabindex]`)
	talk("watched")
	b.until(`document.querySelector(".tail").innerText.includes("watched")`)
	b.screenshot("inspector-connections")

	p.openView(b, "groups?name=room")
	b.until(`document.querySelectorAll(".detail tbody tr").length === 2`)
	b.clickButton("Add a member…")
	b.fill("group", "room")
	b.submitInvalid("channel", "no name", "no name")
	b.clickButton("Cancel")
	b.clickButton("Send to all…")
	b.submitInvalid("message", `{"text": `, "The message is not JSON")
	b.submitInvalid("message", `[1]`, "must be an object")
	b.fill("message", `{"text": "from the page"}`)
	b.clickButton("Send")
	if got := ada.receive() + ben.receive(); got != "from the pagefrom the page" {
		t.Errorf("the sockets got %q", got)
	}

	p.openView(b, "flow")
	b.until(`document.querySelectorAll(".pipe").length >= 3`)
	b.until(`document.querySelector(".fancard b")?.textContent === "room"`)
	b.until(`document.querySelectorAll(".cell").length === 16`)
	b.until(`document.querySelectorAll(".chart canvas").length === 3`)
	talk("for the picture")
	b.screenshot("inspector-flow")

	p.openView(b, "workers")
	b.waitForText("of 16 busy")
	b.run(`document.querySelector("input.count").value = 3; undefined`)
	b.clickButton("Change")
	b.waitForText("of 3 busy")
	p.openView(b, "reloads")
	b.waitForText("Generation 1")
	b.clickButton("Reload now")
	b.waitForText("Generation 2")
}
