package e2e

import (
	"net"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

func testNotices(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := start(t, inspectedApp, "--store", "memory")
	p.openView(b, "state")
	p.save("app.star", inspectedApp+"nonsense(\n")
	b.waitForText("The application does not load: app.star:")
	b.until(`document.title === "(does not load) State · asgibox inspector"`)
	b.run(`document.querySelector(".notice a").click()`)
	b.until(`document.querySelector(".culprit")?.textContent.includes("nonsense(")`)
	b.run(`location.hash = "#/reloads"`)
	b.until(`document.querySelector("mark")?.textContent.includes("nonsense(")`)
	b.waitForText("Failed load")
	p.save("app.star", inspectedApp)
	b.until(`!document.querySelector(".notice")`)
	b.waitForText("Generation 2")
	b.check("one card has that number", `[...document.querySelectorAll(".load header b")].map((e) => e.textContent).join() === "Generation 2,Failed load,Generation 1"`)
	p.mustCommand("pause", "jobs")
	p.mustCommand("pause", "more")
	b.waitForText("2 channels are paused")
	p.mustCommand("resume", "more")
	b.waitForText("1 channel is paused")
	p.mustCommand("resume", "jobs")
	b.until(`!document.querySelector(".notice")`)

	// The page reconnects to the next server.
	control := p.controlAddress()
	p.stop()
	b.waitForText("No connection to the server since")
	b.until(`document.title.startsWith("(no connection)") && document.querySelector(".live").dataset.how === "lost"`)
	b.clickButton("Reload now")
	b.waitForText("Is asgibox still running?")
	startIn(t, p.dir, "app.star", "--store", "memory", "--control", control)
	b.until(`!document.querySelector(".notice") && document.querySelector(".live").dataset.how === "live"`)
	b.waitForText("Generation 1")
}

func testTokenAndNoWorkers(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1600, 860))
	p := start(t, inspectedApp, "--store", "memory", "--no-workers", "--control", "0.0.0.0:0", "--bind", "0.0.0.0")
	p.openView(b, "reloads")
	b.waitForText("This process has no workers")
	b.waitForText("no workers")
	b.check("nothing can be reloaded", `[...document.querySelectorAll("main button")].every((x) => x.hidden)`)
	b.check("the token is not in the address", `!location.search.includes("token")`)
	b.run(`location.hash = "#/messages"`)
	p.mustCommand("send", "jobs", `{"n": 1}`)
	b.openMessage(`{"n":1}`)
	b.until(`!document.querySelector(".detail").hidden`)
	if got := b.copyWith("curl"); !strings.Contains(got, `Bearer $ASGIBOX_TOKEN`) {
		t.Errorf("the command has no place for the token: %s", got)
	}

	b.run(`import("/js/address.js").then((m) => { window.address = m; })`)
	b.until(`!!window.address`)
	for call, want := range map[string]string{
		`appURL("http://localhost:8000", "box.example")`:    "http://box.example:8000",
		`appURL("https://localhost:8443", "[2001:db8::1]")`: "https://[2001:db8::1]:8443",
		`appURL("http://localhost:8000", "127.0.0.1")`:      "http://localhost:8000",
		`appURL("http://127.0.0.1:8000", "box.example")`:    "http://127.0.0.1:8000",
		`appURL("", "box.example")`:                         "",
	} {
		if got := b.text("address." + call); got != want {
			t.Errorf("%s is %q, want %q", call, got, want)
		}
	}
	for call, want := range map[string]string{
		`handshakeError("http://localhost:1", { hostname: "127.0.0.1" })`:   "the application refused it",
		`handshakeError("http://127.0.0.1:1", { hostname: "box.example" })`: "--bind 0.0.0.0",
	} {
		if got := b.text("address." + call); !strings.Contains(got, want) || strings.Contains(got, "--allow-origin") {
			t.Errorf("%s is %q, want %q", call, got, want)
		}
	}

	// Under another host name the application refuses the origin and names the flag.
	host := externalAddress(t)
	if host == "" {
		t.Log("this machine has no address but loopback")
		return
	}
	control := strings.Replace(p.controlURL(), "localhost", host, 1)
	b.do(chromedp.Navigate(control + "#/play"))
	b.until(`document.querySelector(".live")?.dataset.how === "live"`)
	b.clickButton("Open")
	origin := b.text(`location.origin`)
	b.waitForText("To accept pages from " + origin + ", start asgibox with --allow-origin " + origin)
	b.screenshot("play-refused")
	p.waitFor(`to allow it, use --allow-origin.*origin=` + regexp.QuoteMeta(origin))
	b.run(`location.hash = "#/messages"`)
	p.mustCommand("send", "http.request", `{"method": "GET", "path": "/x", "reply_channel": "nobody"}`)
	b.openMessage("GET /x")
	b.clickButton("curl")
	b.until(`!!document.querySelector("dialog[open] [name=text]")`) // the page has no access to the clipboard
	if got := b.text(`document.querySelector("dialog [name=text]").value`); !strings.Contains(got, "'http://"+host+":") {
		t.Errorf("as curl: %s", got)
	}
}

// externalAddress returns an address of this machine that is not loopback, or "".
func externalAddress(t *testing.T) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	return ""
}
