package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"
)

func testConnectionForms(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := start(t, inspectedApp, "--store", "memory")
	// The link of an earlier server leads to no socket.
	p.openView(b, "connections?name=websocket.send.old!1")
	b.waitForText("This socket is not open, or no longer open.")
	b.check("nothing can be sent to it", `document.querySelector(".sender").offsetParent === null && document.querySelector(".closer").offsetParent === null`)

	s, other := p.dial("/talk"), p.dial("/other")
	s.exchange("hello")
	p.openView(b, "connections")
	b.waitForText("2 open")
	b.run(`[...document.querySelectorAll("main tbody tr[tabindex]")].find((r) => r.textContent.includes("/talk")).click()`)
	b.until(`[...document.querySelectorAll(".frame summary")].some((f) => f.textContent.includes("you said hello") && f.textContent.includes("out"))`)

	send := func(kind, text string) {
		t.Helper()
		b.typeInto("[name=frame]", text)
		b.run(`document.querySelector(".sender select").value = ` + quoteJS(kind))
		b.clickButton("Send")
	}
	send("text", "from the page")
	if got := s.receive(); got != "from the page" {
		t.Errorf("the client got %q", got)
	}
	send("hex", "00 f")
	b.waitForText("one is missing")
	send("hex", "xx")
	b.waitForText(`"x" is not a hexadecimal digit`)
	send("hex", "00 ff")
	if kind, got := s.receiveFrame(); kind != websocket.MessageBinary || got != "\x00\xff" {
		t.Errorf("the client got %v %q", kind, got)
	}
	send("base64", "!")
	b.waitForText("This is not base64")
	send("base64", "AQI=")
	if kind, got := s.receiveFrame(); kind != websocket.MessageBinary || got != "\x01\x02" {
		t.Errorf("the client got %v %q", kind, got)
	}
	b.until(`[...document.querySelectorAll(".frame summary")].filter((f) => f.textContent.includes("binary")).length === 2`)

	for code, want := range map[string]string{"1005": "1005 is never sent", "2000": "2000 is reserved", "77": "from 1000 to 4999", "x": "from 1000 to 4999"} {
		b.typeInto("[name=code]", code)
		b.waitForText(want)
		b.check("it cannot be sent", `[...document.querySelectorAll("button")].find((x) => x.textContent === "Close socket").disabled`)
	}
	b.typeInto("[name=code]", "4001")
	b.typeInto("[name=reason]", strings.Repeat("long", 31))
	b.waitForText("at most 123 bytes")
	b.typeInto("[name=reason]", "enough")
	b.clickButton("Close socket")
	if end := s.waitClosed(); end.Code != 4001 || end.Reason != "enough" {
		t.Errorf("closed with %v", end)
	}
	b.waitForText("Closed at")
	b.waitForText("closed by hand, from the inspector or the command line")

	// Messages for a client that does not read wait in the mailbox.
	p.dial("/slow")
	b.until(`[...document.querySelectorAll("main tbody tr[tabindex]")].some((r) => r.textContent.includes("/slow"))`)
	b.run(`const row = [...document.querySelectorAll("main tbody tr[tabindex]")].find((r) => r.textContent.includes("/slow"));
		for (let i = 0; i < 16; i++) fetch("/api/send", { method: "POST", body: JSON.stringify({ channel: row.dataset.channel, message: { text: "x".repeat(900000) } }) })`)
	b.until(`[...document.querySelectorAll(".mini:not([hidden])")].some((m) => m.parentNode.textContent.includes("MiB") && m.parentNode.title.includes("of 16.0 MiB"))`)

	other.c.Close(4003, "")
	b.waitForText("closed by the client, with the private code 4003")
	last := p.dial("/last")
	last.exchange("leave")
	if end := last.waitClosed(); end.Code != 4002 {
		t.Errorf("closed with %v", end)
	}
	b.waitForText("closed by the application, with the private code 4002")
}
