package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"
)

func testConnectionsAreWrittenToAndClosed(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := start(t, lookedAtApp, "--store", "memory")
	// A link that is older than the server leads to no socket.
	p.looking(b, "connections?name=websocket.send.old!1")
	b.shows("This socket is not among the open ones (any more).")
	b.is("nothing can be sent to it", `document.querySelector(".sender").offsetParent === null && document.querySelector(".closer").offsetParent === null`)

	s, other := p.dial("/talk"), p.dial("/other")
	s.ask("hello")
	p.looking(b, "connections")
	b.shows("2 open now")
	b.run(`[...document.querySelectorAll("main tbody tr[tabindex]")].find((r) => r.textContent.includes("/talk")).click()`)
	b.until(`[...document.querySelectorAll(".frame summary")].some((f) => f.textContent.includes("you said hello") && f.textContent.includes("out"))`)

	send := func(kind, text string) {
		t.Helper()
		b.write("[name=frame]", text)
		b.run(`document.querySelector(".sender select").value = ` + quoteJS(kind))
		b.press("Send")
	}
	send("text", "from the page")
	if got := s.receive(); got != "from the page" {
		t.Errorf("the client got %q", got)
	}
	send("hex", "00 f")
	b.shows("one is missing")
	send("hex", "xx")
	b.shows(`"x" is none`)
	send("hex", "00 ff")
	if kind, got := s.frame(); kind != websocket.MessageBinary || got != "\x00\xff" {
		t.Errorf("the client got %v %q", kind, got)
	}
	send("base64", "!")
	b.shows("This is not base64")
	send("base64", "AQI=")
	if kind, got := s.frame(); kind != websocket.MessageBinary || got != "\x01\x02" {
		t.Errorf("the client got %v %q", kind, got)
	}
	b.until(`[...document.querySelectorAll(".frame summary")].filter((f) => f.textContent.includes("binary")).length === 2`)

	for code, want := range map[string]string{"1005": "1005 is never sent", "2000": "2000 is reserved", "77": "from 1000 to 4999", "x": "from 1000 to 4999"} {
		b.write("[name=code]", code)
		b.shows(want)
		b.is("it cannot be sent", `[...document.querySelectorAll("button")].find((x) => x.textContent === "Close it").disabled`)
	}
	b.write("[name=code]", "4001")
	b.write("[name=reason]", strings.Repeat("long", 31))
	b.shows("at most 123 bytes")
	b.write("[name=reason]", "enough")
	b.press("Close it")
	if code, reason := s.ending(); code != 4001 || reason != "enough" {
		t.Errorf("closed with %d %q", code, reason)
	}
	b.shows("Closed at")
	b.shows("closed by hand, from the inspector or the command line")

	// What nobody reads waits in the mailbox.
	p.dial("/slow")
	b.until(`[...document.querySelectorAll("main tbody tr[tabindex]")].some((r) => r.textContent.includes("/slow"))`)
	b.run(`const row = [...document.querySelectorAll("main tbody tr[tabindex]")].find((r) => r.textContent.includes("/slow"));
		for (let i = 0; i < 16; i++) fetch("/api/send", { method: "POST", body: JSON.stringify({ channel: row.dataset.channel, message: { text: "x".repeat(900000) } }) })`)
	b.until(`[...document.querySelectorAll(".mini:not([hidden])")].some((m) => m.parentNode.textContent.includes("MiB") && m.parentNode.title.includes("of 16.0 MiB"))`)

	other.c.Close(4003, "")
	b.shows("closed by the client, with the private code 4003")
	last := p.dial("/last")
	last.ask("leave")
	last.ending()
	b.shows("closed by the application, with the private code 4002")
}
