package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// inspectedApp replies with its input and sends jobs to a channel.
const inspectedApp = `
def connect(message):
    message.reply_channel.send({"accept": True})

def receive(message):
    if message["bytes"] != None:
        message.reply_channel.send({"bytes": message["bytes"]})
    elif message["text"] == "leave":
        message.reply_channel.send({"text": "bye", "close": 4002})
    else:
        message.reply_channel.send({"text": "you said " + message["text"]})

def page(request):
    Channel("jobs").send({"data": b"\x00\xff", "half": 0.5, "one": 1.0})
    return request.method + " " + request.GET.get("x", "") + " " + str(request.body) + " " + request.headers.get("x-odd", "")

def data(request):
    return {"list": [1, 2.0], "markup": "<b>bold</b>"}

def picture(request):
    return b"\x89PNG\x00<script>"

channel_routing = [
    view("/", page),
    view("/data", data),
    view("/picture", picture),
    route("websocket.connect", connect),
    route("websocket.receive", receive),
]
`

// runCopiedCurl copies the message as curl, runs it and returns its output.
func (b *tab) runCopiedCurl() string {
	b.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		b.Skip("there is no curl on this machine")
	}
	c := exec.Command("sh")
	c.Stdin = strings.NewReader(b.copyWith("curl") + "\n")
	out, err := c.CombinedOutput()
	if err != nil {
		b.Errorf("curl: %v: %.300s", err, out)
	}
	return strings.ToValidUTF8(string(out), "\ufffd")
}

// rowOf finds the row of a message, followed by a text and "))".
const rowOf = `[...document.querySelectorAll(".messages tr[data-id]")].find((r) => r.textContent.includes(`

// openMessage opens the message whose row contains a text.
func (b *tab) openMessage(text string) {
	b.Helper()
	b.until(`!!` + rowOf + quoteJS(text) + `))`)
	b.run(rowOf + quoteJS(text) + `)).click()`)
}

func testMessageFilterAndHold(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := start(t, inspectedApp, "--store", "memory")
	s := p.dial("/talk")
	s.exchange("one")
	p.get("/?x=1")

	p.openView(b, "messages")
	b.waitForText("you said one")
	b.typeInto("main input[type=search]", "chanel:x")
	b.waitForText("Unknown key chanel:")
	b.check("the field is marked as invalid", `document.querySelector("input[type=search]").getAttribute("aria-invalid") === "true"`)
	b.typeInto("main input[type=search]", `text:"you said`)
	b.waitForText("is not closed")
	b.typeInto("main input[type=search]", `path:/talk text:"you said one"`)
	b.until(`document.querySelectorAll(".messages tr[data-id]").length === 1 && document.querySelector("p.wrong").hidden`)
	b.typeInto("main input[type=search]", "kind:dropped")
	b.waitForText("No message in the history matches the filter")
	b.clickButton("Terms")
	b.waitForText("messages from and to a connection")
	b.typeInto("main input[type=search]", "path:/talk")
	b.waitForText("you said one")

	// While the list is held, it does not move and counts new messages.
	b.do(chromedp.KeyEvent(kb.Escape), chromedp.KeyEvent(" "))
	b.waitForText("held · 0 new")
	rows := b.integer(`document.querySelectorAll(".messages tr[data-id]").length`)
	s.exchange("two")
	s.exchange("three")
	b.waitForText("held · 4 new")
	b.check("no row came while held", `document.querySelectorAll(".messages tr[data-id]").length === `+strconv.Itoa(rows))
	b.clickButton("Continue")
	b.waitForText("you said three")

	// The same is true while a message is open.
	b.openMessage("you said two")
	b.waitForText("Content")
	b.run(`window.selected = document.querySelector(".messages tr.selected"); window.top0 = selected.getBoundingClientRect().top`)
	s.exchange("four")
	b.until(`!document.querySelector(".more").hidden`)
	b.check("the open row has not moved", `window.selected === document.querySelector(".messages tr.selected") && Math.abs(selected.getBoundingClientRect().top - top0) < 1`)
	b.click(".more")
	b.waitForText("you said four")
	b.check("the open row is still marked", `document.querySelector(".messages tr.selected").textContent.includes("you said two")`)
	b.do(chromedp.KeyEvent("k"))
	b.until(`document.querySelector(".detail").textContent.includes("three")`)
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until(`document.querySelector(".detail").hidden`)
}

func testWaterfall(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := start(t, inspectedApp, "--store", "memory")
	p.get("/?x=1&y=%5B2%5D")
	p.openView(b, "messages?filter=path:/")
	b.openMessage("GET /?x=1")
	b.until(`document.querySelectorAll(".waterfall .wrow").length === 4`)
	rows := b.text(`[...document.querySelectorAll(".waterfall .wrow")].map((r) => r.innerText.replaceAll("\n", " ")).join("\n")`)
	for i, want := range []string{"socket GET / → 200", "http.request handled by page (app.star:", "jobs sent from app.star:14", "sent from page (app.star:"} {
		if line := strings.Split(rows, "\n")[i]; !strings.Contains(line, want) {
			t.Errorf("row %d of the waterfall: %q, want %q", i, line, want)
		}
	}
	for _, want := range []string{"waited ", "waiting", "delivered"} {
		if !strings.Contains(rows, want) {
			t.Errorf("the waterfall has no %q:\n%s", want, rows)
		}
	}
	b.check("headers are a table", `document.querySelectorAll(".headers th").length >= 2`)

	b.run(`[...document.querySelectorAll(".detail button")].find((x) => x.textContent === "Replay").focus()`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.waitForText("Replayed: 200 in")
	b.check("the response is in the dialog", `document.querySelector("dialog").innerText.includes("GET 1")`)
	b.clickButton("Close")
	b.until(`!document.querySelector("dialog").open && document.activeElement.textContent === "Replay"`)

	if got := b.runCopiedCurl(); !strings.Contains(got, "GET 1") {
		t.Errorf("the copied command printed %s", got)
	}
	b.do(chromedp.KeyEvent(kb.Escape))

	// A body may be longer than an argument of a command.
	for kind, body := range map[string]string{"text": strings.Repeat("it's 100% \\n\n", 200<<10/12), "binary": strings.Repeat("\x00'\xff", 200<<10/3)} {
		if _, err := http.Post(p.url+"/?x="+kind, "text/plain", strings.NewReader(body)); err != nil {
			t.Fatal(err)
		}
		p.openView(b, `messages?filter=channel:http.request text:"POST /?x=`+kind+`"`)
		b.openMessage("POST /?x=" + kind)
		b.waitForText("Content")
		want := "POST " + kind + " " + strings.ToValidUTF8(body, "\ufffd")
		if got := b.runCopiedCurl(); !strings.Contains(got, want) {
			t.Errorf("%s: want %d bytes, got %d: %.300q", kind, len(want), len(got), got)
		}
	}
	p.mustCommand("flush", "--yes")

	p.openView(b, "messages?filter=channel:jobs")
	b.openMessage("bytes(2)")
	b.waitForText("00 ff")
	var got map[string]any
	if err := json.Unmarshal([]byte(b.copyWith("JSON")), &got); err != nil || got["data"] != "\uffffAP8=" {
		t.Errorf("as JSON: %v, %v", got, err)
	}
	if got, want := b.copyWith("Starlark"), `layer.send("jobs", {
    "data": b"\x00\xff",
    "half": 0.5,
    "one": 1.0,
})`; got != want {
		t.Errorf("as Starlark:\n%s", got)
	}
	b.runCopiedCurl()
	if got := p.mustCommand("receive", "jobs", "--json"); !strings.Contains(got, "1.0") || !strings.Contains(got, "AP8=") {
		t.Errorf("curl sent %s", got)
	}

	// Only a few copies of a group message are shown at first.
	for i := range 12 {
		p.mustCommand("group", "add", "all", "work."+strconv.Itoa(i))
	}
	p.mustCommand("group", "send", "all", `{"text": "to everybody"}`)
	b.typeInto("main input[type=search]", "group:all")
	b.openMessage("to everybody")
	b.waitForText("7 more copies to the group all, waiting")
	b.check("the open message is shown", `!!document.querySelector(".waterfall .selected")`)
	b.run(`document.querySelector(".fold").click()`)
	b.until(`document.querySelectorAll(".waterfall .wrow").length === 12`)

	b.clickButton("Edit & send again")
	b.fill("message", `{"text": `)
	b.clickButton("Send")
	b.waitForText("The message is not JSON")
	b.check("the typed text stays", `document.querySelector("dialog [name=message]").value === '{"text": '`)
	b.do(chromedp.KeyEvent(kb.Escape))
}

// testGrowingWaterfall opens a message of a chain that gets a message in every frame
// of the page.
func testGrowingWaterfall(t *testing.T, b *tab) {
	p := start(t, `
def page(request):
    def body(write):
        while True:
            write("more\n")
            sleep(0.02)
    return StreamingHttpResponse(body)

channel_routing = [view("/", page)]
`, "--store", "memory")
	r, err := http.Get(p.url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	go func() { _, _ = io.Copy(io.Discard, r.Body) }()
	p.openView(b, "messages")
	b.openMessage("GET /")
	b.until(`!!document.querySelector(".waterfall")`)
	b.run(`window.drawn = document.querySelector(".waterfall")`)
	b.until(`document.querySelector(".waterfall") !== drawn`)
}

func testResentMessage(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := start(t, chatApp, "--store", "memory")
	s := p.dial("/chat")
	s.send("hello")
	s.receive()
	p.openView(b, "messages?filter=channel:*!*")
	b.waitForText("hello")
	b.until(`[...document.querySelectorAll(".messages tr[data-id]")].some(r => r.textContent.includes("hello"))`)
	b.run(`[...document.querySelectorAll(".messages tr[data-id]")].find(r => r.textContent.includes("hello")).click()`)
	b.clickButton("Edit & send again")
	b.fill("message", `{"text": "hello again"}`)
	b.clickButton("Send")
	if got := s.receive(); got != "hello again" {
		t.Errorf("the socket got %q", got)
	}

	const message = `{"z":{"10":1,"a":9223372036854775807,"9":1.0}}`
	p.mustCommand("send", "jobs", message)
	p.openView(b, "messages?filter=channel:jobs")
	b.click(".messages tr[data-id]")
	if got, want := b.copyWith("Starlark"), `"a": 9223372036854775807,`; !strings.Contains(got, want) || strings.Index(got, `"10"`) > strings.Index(got, `"a"`) {
		t.Errorf("copied as Starlark: %s", got)
	}
	b.clickButton("Edit & send again")
	b.until(`document.querySelector("dialog[open] textarea")?.value.replaceAll(/\s/g, "") === ` + quoteJS(message))
	b.clickButton("Send")
	b.until(`!document.querySelector("dialog[open]")`)
	for range 2 {
		if got := p.mustCommand("receive", "jobs", "--json"); !strings.Contains(got, message) {
			t.Errorf("received %s, want %s", got, message)
		}
	}
}

func testSaveAsTest(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := start(t, chatApp, "--store", "memory")
	p.openView(b, "messages")
	b.clickButton("Save as test…")
	b.waitForText("There is nothing to save")
	ada, ben := p.dial("/chat/ada"), p.dial("/chat/ben")
	for _, text := range []string{"good morning", "good evening"} {
		ada.send(text)
		ada.receive()
		ben.receive()
	}
	p.get("/page")
	b.waitForText("good evening")

	// All chains that the filter accepts are selected.
	b.typeInto("main input[type=search]", "path:/chat/*")
	b.until(`![...document.querySelectorAll(".messages tr[data-id]")].some((r) => r.textContent.includes("/page"))`)
	const test = `(document.querySelector("dialog pre.body")?.textContent || "")`
	b.clickButton("Save as test…")
	b.until(test + `.includes("def test_")`)
	b.screenshot("save-as-test")
	b.check("the page is not selected", `!`+test+`.includes("/page") && [...document.querySelectorAll(".chains label")].find((l) => l.textContent.includes("/page")).control.checked === false`)
	b.run(`[...document.querySelectorAll(".chains label")].find((l) => l.textContent.includes("good evening")).click()`)
	b.until(test + ` && !` + test + `.includes("good evening")`)
	b.run(`[...document.querySelectorAll(".chains label")].find((l) => l.textContent.includes("/page")).click()`)
	b.until(test + `.includes("test_get_page")`)
	b.save(filepath.Join(p.dir, "page_test.star"), test)
	expectTests(t, 0, filepath.Join(p.dir, "page_test.star"))
	b.check("the command is shown", `document.querySelector("dialog").innerText.includes("app.star and run: asgibox test recorded_test.star")`)
	b.run(`[...document.querySelectorAll(".chains input")][0].click(); if ([...document.querySelectorAll(".chains input")][0].checked) [...document.querySelectorAll(".chains input")][0].click()`)
	b.waitForText("Select the chains to save.")
	b.check("nothing can be downloaded", `[...document.querySelectorAll("dialog button")].find((x) => x.textContent === "Download").disabled`)
	b.do(chromedp.KeyEvent(kb.Escape))

	// From an open message, its chain is selected, with the handshakes of the WebSockets in it.
	b.openMessage("good evening")
	b.waitForText("Content")
	b.run(`[...document.querySelectorAll(".detail button")].find((x) => x.textContent === "Save as test…").click()`)
	b.until(test + `.includes("good evening")`)
	b.check("the other message is not in the test", `!`+test+`.includes("good morning")`)
	b.save(filepath.Join(p.dir, "chain_test.star"), test)
	expectTests(t, 0, filepath.Join(p.dir, "chain_test.star"))
	b.do(chromedp.EmulateViewport(400, 800))
	b.screenshot("save-as-test-narrow")
	b.check("nothing is cut", `document.querySelector("dialog").scrollWidth <= document.querySelector("dialog").clientWidth`)
}

// save writes the value of an expression to a file.
func (b *tab) save(file, expression string) {
	b.Helper()
	if err := os.WriteFile(file, []byte(b.text(expression)), 0o600); err != nil {
		b.Fatal(err)
	}
}
