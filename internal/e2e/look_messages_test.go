package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/coder/websocket"
)

// lookedAtApp says back what it gets, and gives some work to others.
const lookedAtApp = `
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

// is fails unless the expression is true now.
func (b *tab) is(what, expression string) {
	b.Helper()
	if b.number("Number("+expression+")") != 1 {
		b.Errorf("not so: %s", what)
	}
}

// write writes into a field as a person does, who ends in it.
func (b *tab) write(selector, value string) {
	b.Helper()
	b.until(`!!document.querySelector(` + quoteJS(selector) + `)`)
	b.run(`const f = document.querySelector(` + quoteJS(selector) + `); f.focus(); f.value = ` + quoteJS(value) + `; f.dispatchEvent(new Event("input", {bubbles: true}))`)
}

// copied clicks a button that copies, and answers what it would have copied.
func (b *tab) copied(button string) string {
	b.Helper()
	b.run(`window.copied = ""; navigator.clipboard.writeText = async (text) => { window.copied = text; }`)
	b.press(button)
	b.until(`window.copied !== ""`)
	return b.words(`window.copied`)
}

// copiedAndRun copies as curl and answers what the command says, as text.
func (b *tab) copiedAndRun() string {
	b.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		b.Skip("there is no curl on this machine")
	}
	c := exec.Command("sh")
	c.Stdin = strings.NewReader(b.copied("curl") + "\n")
	out, err := c.CombinedOutput()
	if err != nil {
		b.Errorf("curl: %v: %.300s", err, out)
	}
	return strings.ToValidUTF8(string(out), "\ufffd")
}

const rowOf = `[...document.querySelectorAll(".messages tr[data-id]")].find((r) => r.textContent.includes(`

func (b *tab) openMessage(text string) {
	b.Helper()
	b.until(`!!` + rowOf + quoteJS(text) + `))`)
	b.run(rowOf + quoteJS(text) + `)).click()`)
}

func testMessagesAreFilteredAndHeld(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := start(t, lookedAtApp, "--store", "memory")
	s := p.dial("/talk")
	s.ask("one")
	p.get("/?x=1")

	p.looking(b, "messages")
	b.shows("you said one")
	b.write("main input[type=search]", "chanel:x")
	b.shows("There is no chanel:")
	b.is("the field is marked as invalid", `document.querySelector("input[type=search]").getAttribute("aria-invalid") === "true"`)
	b.write("main input[type=search]", `text:"you said`)
	b.shows("is not closed")
	b.write("main input[type=search]", `path:/talk text:"you said one"`)
	b.until(`document.querySelectorAll(".messages tr[data-id]").length === 1 && document.querySelector("p.wrong").hidden`)
	b.write("main input[type=search]", "kind:dropped")
	b.shows("Nothing that is remembered fits the filter")
	b.press("Terms")
	b.shows("what a connection sent, and what was sent to it")
	b.write("main input[type=search]", "path:/talk")
	b.shows("you said one")

	// Held, the list stands still and counts.
	b.do(chromedp.KeyEvent(kb.Escape), chromedp.KeyEvent(" "))
	b.shows("held · 0 passed meanwhile")
	rows := b.number(`document.querySelectorAll(".messages tr[data-id]").length`)
	s.ask("two")
	s.ask("three")
	b.shows("held · 4 passed meanwhile")
	b.is("no row came while held", `document.querySelectorAll(".messages tr[data-id]").length === `+strconv.Itoa(rows))
	b.press("Go on")
	b.shows("you said three")

	// So it does while a message is open.
	b.openMessage("you said two")
	b.shows("Content")
	b.run(`window.selected = document.querySelector(".messages tr.selected"); window.top0 = selected.getBoundingClientRect().top`)
	s.ask("four")
	b.until(`!document.querySelector(".more").hidden`)
	b.is("the open row has not moved", `window.selected === document.querySelector(".messages tr.selected") && Math.abs(selected.getBoundingClientRect().top - top0) < 1`)
	b.click(".more")
	b.shows("you said four")
	b.is("the open row is still marked", `document.querySelector(".messages tr.selected").textContent.includes("you said two")`)
	b.do(chromedp.KeyEvent("k"))
	b.until(`document.querySelector(".detail").textContent.includes("three")`)
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until(`document.querySelector(".detail").hidden`)
}

func testChainIsAWaterfall(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := start(t, lookedAtApp, "--store", "memory")
	p.get("/?x=1&y=%5B2%5D")
	p.looking(b, "messages?filter=path:/")
	b.openMessage("GET /?x=1")
	b.until(`document.querySelectorAll(".waterfall .wrow").length === 4`)
	rows := b.words(`[...document.querySelectorAll(".waterfall .wrow")].map((r) => r.innerText.replaceAll("\n", " ")).join("\n")`)
	for i, want := range []string{"socket GET / → 200", "http.request handled by page (app.star:", "jobs sent from app.star:14", "sent from page (app.star:"} {
		if line := strings.Split(rows, "\n")[i]; !strings.Contains(line, want) {
			t.Errorf("row %d of the waterfall: %q, want %q", i, line, want)
		}
	}
	for _, want := range []string{"waited ", "waits", "delivered"} {
		if !strings.Contains(rows, want) {
			t.Errorf("the waterfall has no %q:\n%s", want, rows)
		}
	}
	b.is("headers are a table", `document.querySelectorAll(".headers th").length >= 2`)

	b.run(`[...document.querySelectorAll(".detail button")].find((x) => x.textContent === "Replay").focus()`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.shows("Replayed: 200 in")
	b.is("the answer is in the dialog", `document.querySelector("dialog").innerText.includes("GET 1")`)
	b.press("Close")
	b.until(`!document.querySelector("dialog").open && document.activeElement.textContent === "Replay"`)

	if got := b.copiedAndRun(); !strings.Contains(got, "GET 1") {
		t.Errorf("the copied command said %s", got)
	}
	b.do(chromedp.KeyEvent(kb.Escape))

	// So is one with a body that is longer than an argument may be.
	for kind, body := range map[string]string{"text": strings.Repeat("it's 100% \\n\n", 200<<10/12), "binary": strings.Repeat("\x00'\xff", 200<<10/3)} {
		if _, err := http.Post(p.url+"/?x="+kind, "text/plain", strings.NewReader(body)); err != nil {
			t.Fatal(err)
		}
		p.looking(b, `messages?filter=channel:http.request text:"POST /?x=`+kind+`"`)
		b.openMessage("POST /?x=" + kind)
		b.shows("Content")
		want := "POST " + kind + " " + strings.ToValidUTF8(body, "\ufffd")
		if got := b.copiedAndRun(); !strings.Contains(got, want) {
			t.Errorf("%s: of %d bytes came %d: %.300q", kind, len(want), len(got), got)
		}
	}
	p.mustCommand("flush", "--yes")

	p.looking(b, "messages?filter=channel:jobs")
	b.openMessage("bytes(2)")
	b.shows("00 ff")
	var got map[string]any
	if err := json.Unmarshal([]byte(b.copied("JSON")), &got); err != nil || got["data"] != "\uffffAP8=" {
		t.Errorf("as JSON: %v, %v", got, err)
	}
	if got, want := b.copied("Starlark"), `layer.send("jobs", {
    "data": b"\x00\xff",
    "half": 0.5,
    "one": 1.0,
})`; got != want {
		t.Errorf("as Starlark:\n%s", got)
	}
	b.copiedAndRun()
	if got := p.mustCommand("receive", "jobs", "--json"); !strings.Contains(got, "1.0") || !strings.Contains(got, "AP8=") {
		t.Errorf("curl sent %s", got)
	}

	// Of many copies to a group a few are shown at once.
	for i := range 12 {
		p.mustCommand("group", "add", "all", "work."+strconv.Itoa(i))
	}
	p.mustCommand("group", "send", "all", `{"text": "to everybody"}`)
	b.write("main input[type=search]", "group:all")
	b.openMessage("to everybody")
	b.shows("7 more copies to the group all, waits")
	b.is("the open one is shown", `!!document.querySelector(".waterfall .selected")`)
	b.run(`document.querySelector(".fold").click()`)
	b.until(`document.querySelectorAll(".waterfall .wrow").length === 12`)

	b.press("Edit & send again")
	b.fill("message", `{"text": `)
	b.press("Send")
	b.shows("The message is not JSON")
	b.is("what was written stays", `document.querySelector("dialog [name=message]").value === '{"text": '`)
	b.do(chromedp.KeyEvent(kb.Escape))
}

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

// frame reads one frame.
func (s *socket) frame() (websocket.MessageType, string) {
	s.p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	kind, data, err := s.c.Read(ctx)
	if err != nil {
		s.p.Fatal(err)
	}
	return kind, string(data)
}

// ending reads up to the end, and answers how it closed.
func (s *socket) ending() (code int, reason string) {
	s.p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		if _, _, err := s.c.Read(ctx); err != nil {
			var end websocket.CloseError
			if !errors.As(err, &end) {
				s.p.Fatal(err)
			}
			return int(end.Code), end.Reason
		}
	}
}

func testPlayRemembers(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := start(t, lookedAtApp, "--store", "memory")
	p.looking(b, "play")
	// What is no history of ours must not break the page.
	b.run(`for (const [key, value] of [["play.request", "{"], ["play.requests", '[{"method": 1}, null]'], ["play.frames", '{"a": 1}'], ["play.wspath", "7"], ["theme", '"purple"']]) localStorage.setItem(key, value)`)
	p.looking(b, "play")

	request := func(method, path, headers, kind, body, want string) {
		t.Helper()
		b.run(`const [m] = document.querySelectorAll(".play select"); m.value = ` + quoteJS(method))
		b.write(`.play input[aria-label=Path]`, path)
		b.write(`.play form:not(.line) textarea`, headers)
		b.run(`const f = document.querySelector(".play form"); f.querySelector("label select").value = ` + quoteJS(kind) + `; f.querySelectorAll("textarea")[1].value = ` + quoteJS(body) + `; document.querySelector(".answer").replaceChildren()`)
		b.click(`.play form button.primary`)
		b.until(`document.querySelector(".play").innerText.includes(` + quoteJS(want) + `)`)
	}
	request("GET", "/data", "", "text", "", `"markup": "<b>bold</b>"`)
	b.is("JSON is indented", `document.querySelector(".answer pre").textContent.includes("\n  \"list\": [\n    1,\n    2.0\n  ]")`)
	request("GET", "/picture", "", "text", "", "89 50 4e 47 00")
	b.is("nothing of it is HTML", `!document.querySelector(".answer :is(b:not(.status), img, script)")`)
	request("POST", "/?x=2", "X-Odd: yes", "hex", "61 62", "POST 2 ab yes")
	request("PUT", "/", "", "base64", "YWJj", "PUT  abc")
	request("PUT", "/", "", "hex", "6", "one is missing")
	request("GET", "/", "no header", "text", "", "Line 1 of the headers is none")
	b.write(`.play form:not(.line) textarea`, "")

	// The history is picked from, sent again, kept over a reload of the page.
	history := `[...document.querySelectorAll(".past li")].map((l) => l.querySelector("b").textContent + " " + l.querySelector(".path").textContent).join()`
	b.until(history + ` === "PUT /,POST /?x=2,GET /picture,GET /data"`)
	p.looking(b, "play")
	b.until(history + ` === "PUT /,POST /?x=2,GET /picture,GET /data"`)
	b.run(`document.querySelectorAll(".pick")[1].click()`)
	b.is("the form is filled", `document.querySelectorAll(".play form textarea")[0].value === "X-Odd: yes" && document.querySelector(".play form label select").value === "hex"`)
	b.run(`[...document.querySelectorAll(".past li button")].filter((x) => x.textContent === "Again")[1].click()`)
	b.shows("POST 2 ab yes")
	b.run(`document.querySelector(".past li [aria-label^=Delete]").click()`)
	b.until(history + ` === "PUT /,GET /picture,GET /data"`)
	b.press("Delete all…")
	b.press("Delete")
	b.until(`document.querySelector(".past").hidden && !JSON.parse(localStorage.getItem("play.requests")).length`)

	// Several sockets at once.
	b.run(`document.querySelector("[name=number]").value = 3`)
	b.press("Open")
	b.until(`document.querySelectorAll(".socket .tag.good").length === 3`)
	write := func(within, kind, text string) {
		b.run(`const s = document.querySelector(` + quoteJS(within) + `); s.querySelector("select").value = ` + quoteJS(kind) + `; const f = s.querySelector("textarea"); f.focus(); f.value = ` + quoteJS(text))
		b.do(chromedp.KeyEvent(kb.Enter))
	}
	write(".toall", "text", "to all")
	b.until(`[...document.querySelectorAll(".talk")].every((t) => t.innerText.includes("you said to all"))`)
	write(".socket", "hex", "00 01 ff")
	b.until(`document.querySelectorAll(".talk")[0].innerText.split("000000  00 01 ff").length === 3`)
	write(".socket", "base64", "%")
	b.shows("This is not base64")
	write(".socket", "base64", "AAIC")
	b.until(`document.querySelectorAll(".talk")[0].innerText.split("00 02 02").length === 3`)

	// Arrows bring back what was sent, from whichever.
	b.run(`document.querySelectorAll(".socket textarea")[1].focus()`)
	b.do(chromedp.KeyEvent(kb.ArrowUp), chromedp.KeyEvent(kb.ArrowUp))
	b.until(`document.activeElement.value === "00 01 ff" && document.activeElement.parentNode.querySelector("select").value === "hex"`)
	b.do(chromedp.KeyEvent(kb.ArrowUp))
	b.until(`document.activeElement.value === "to all"`)
	b.do(chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.ArrowDown))
	b.until(`document.activeElement.value === ""`)

	// They outlive a change of view, and close with a code.
	b.run(`location.hash = "#/messages"`)
	b.until(`!!document.querySelector("main .messages")`)
	b.run(`location.hash = "#/play"`)
	b.until(`document.querySelectorAll(".socket .tag.good").length === 3`)
	b.run(`document.querySelector(".socket .code").value = "1001"; document.querySelector(".socket button.danger").click()`)
	b.shows("A page may close with 1000")
	b.run(`document.querySelector(".socket .code").value = "4007"; document.querySelector(".socket button.danger").click()`)
	b.shows("closed 4007")
	b.press("Delete sent frames…")
	b.press("Delete")
	b.until(`localStorage.getItem("play.frames") === "[]"`)
}

func testNoticesOnEveryView(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := start(t, lookedAtApp, "--store", "memory")
	p.looking(b, "state")
	p.save("app.star", lookedAtApp+"nonsense(\n")
	b.shows("The application does not load: app.star:")
	b.until(`document.title === "(does not load) State · asgibox inspector"`)
	b.run(`document.querySelector(".notice a").click()`)
	b.until(`document.querySelector("mark")?.textContent.includes("nonsense(")`)
	b.shows("A load that failed")
	p.save("app.star", lookedAtApp)
	b.until(`!document.querySelector(".notice")`)
	b.shows("Generation 2")
	b.is("one card has that number", `[...document.querySelectorAll(".load header b")].map((e) => e.textContent).join() === "Generation 2,A load that failed,Generation 1"`)
	p.mustCommand("pause", "jobs")
	p.mustCommand("pause", "more")
	b.shows("2 channels are paused")
	p.mustCommand("resume", "more")
	b.shows("1 channel is paused")
	p.mustCommand("resume", "jobs")
	b.until(`!document.querySelector(".notice")`)

	// The server goes, and another comes in its place.
	control := strings.Trim(strings.TrimPrefix(p.saw(`inspector +(http\S+)`)[1], "http://"), "/")
	p.stop()
	b.shows("No connection to the server since")
	b.until(`document.title.startsWith("(no connection)") && document.querySelector(".live").dataset.how === "lost"`)
	b.press("Reload now")
	b.shows("Is asgibox still running?")
	startIn(t, p.dir, "app.star", "--store", "memory", "--control", control)
	b.until(`!document.querySelector(".notice") && document.querySelector(".live").dataset.how === "live"`)
	b.shows("Generation 1")
}

func testNarrowAndByKeyboard(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(400, 860))
	p := start(t, lookedAtApp, "--store", "memory")
	s := p.dial("/" + strings.Repeat("a-path-that-does-not-end/", 9))
	s.ask(strings.Repeat("words without end ", 30))
	s.ask(strings.Repeat("x", 3000))
	p.get("/?x=" + strings.Repeat("y", 700))
	fits := func(what string) {
		t.Helper()
		if wide := b.number(`document.documentElement.scrollWidth - innerWidth`); wide > 0 {
			t.Errorf("%s: %d pixels wider than the window", what, wide)
		}
	}
	p.looking(b, "messages")
	b.until(`document.querySelectorAll(".messages tr[data-id]").length >= 7`)
	fits("messages")
	b.do(chromedp.KeyEvent("j"), chromedp.KeyEvent("j"))
	b.until(`document.querySelectorAll(".messages tr")[2].classList.contains("selected") && document.activeElement === document.querySelector(".messages tr.selected")`)
	b.until(`document.querySelectorAll(".waterfall .wrow").length > 1`)
	fits("a message")
	b.openMessage("xxxx")
	b.until(`document.querySelector(".detail").innerText.includes("xxxx")`)
	fits("a long text")
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until(`document.querySelector(".detail").hidden`)

	b.do(chromedp.KeyEvent("3"))
	b.until(`document.querySelectorAll("main tr[tabindex]").length === 1`)
	fits("connections")
	b.do(chromedp.KeyEvent("j"), chromedp.KeyEvent(kb.Enter))
	b.until(`document.querySelectorAll(".frame").length >= 4`)
	b.run(`document.querySelectorAll(".frame summary")[1].click()`)
	b.until(`!!document.querySelector(".frame .full dl")`)
	fits("a connection")
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until(`document.querySelector(".detail").hidden`)
	b.do(chromedp.KeyEvent("/"))
	b.until(`document.activeElement.type === "search"`)
	b.do(chromedp.KeyEvent("9")) // is written
	b.until(`document.activeElement.value.endsWith("9")`)
	b.do(chromedp.KeyEvent(kb.Escape), chromedp.KeyEvent("9"))
	b.until(`document.querySelector("#view").dataset.view === "reloads"`)
	fits("reloads")
	p.save("app.star", lookedAtApp+`nonsense("`+strings.Repeat("long ", 60)+"\")\n")
	b.until(`document.querySelectorAll(".load mark, .log mark").length === 2`)
	fits("a load that failed")
	b.is("only the source is cut, and scrolls by itself", `[...document.querySelectorAll(".load, .log, .traceback, .traceback > pre")].every((e) => e.scrollWidth <= e.clientWidth) && [...document.querySelectorAll(".traceback .code")].every((e) => e.scrollWidth > e.clientWidth)`)
	b.is("the log's error has the width of the page", `document.querySelector(".log .traceback").clientWidth > 300`)
	b.is("the page scrolls, not a part of it", `document.querySelector(".scroll").scrollHeight <= document.querySelector(".scroll").clientHeight`)
	b.picture("reloads-400")
	p.save("app.star", lookedAtApp)
	b.until(`!document.querySelector(".notice")`)

	b.do(chromedp.KeyEvent("8"))
	b.until(`!!document.querySelector(".play")`)
	b.press("Open")
	b.until(`document.querySelectorAll(".socket .tag.good").length === 1`)
	b.click(`.play form button.primary`)
	b.until(`!!document.querySelector(".answered")`)
	fits("play")
	b.run(`document.activeElement.blur()`)
	b.do(chromedp.KeyEvent("?"))
	b.until(`document.querySelector("dialog").open && document.activeElement.textContent === "Close"`)
	for _, key := range []string{"1 – 9", "/", "j, ↓ and k, ↑", "Enter", "Esc", "Space", "t", "?"} {
		b.is("the help has "+key, `[...document.querySelectorAll("dialog kbd")].some((k) => k.textContent === `+quoteJS(key)+`)`)
	}
	fits("the help")
	b.do(chromedp.KeyEvent(kb.Tab))
	b.is("the focus stays in the dialog", `document.querySelector("dialog").contains(document.activeElement) || document.activeElement === document.body`)
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until(`!document.querySelector("dialog").open`)
	b.do(chromedp.KeyEvent("t"))
	b.until(`document.documentElement.dataset.theme === "dark"`)
}

func testElsewhereAndWithoutWorkers(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1600, 860))
	p := start(t, lookedAtApp, "--store", "memory", "--no-workers", "--control", "0.0.0.0:0", "--bind", "0.0.0.0")
	p.looking(b, "reloads")
	b.shows("There are no workers in this process")
	b.shows("no workers here")
	b.is("nothing can be reloaded", `[...document.querySelectorAll("main button")].every((x) => x.hidden)`)
	b.is("the token is not in the address", `!location.search.includes("token")`)
	b.run(`location.hash = "#/messages"`)
	p.mustCommand("send", "jobs", `{"n": 1}`)
	b.openMessage(`{"n":1}`)
	b.until(`!document.querySelector(".detail").hidden`)
	if got := b.copied("curl"); !strings.Contains(got, `Bearer $ASGIBOX_TOKEN`) {
		t.Errorf("the command has no place for the token: %s", got)
	}

	b.run(`import("/js/address.js").then((m) => { window.address = m; })`)
	b.until(`!!window.address`)
	for call, want := range map[string]string{
		`reached("http://localhost:8000", "box.example")`:    "http://box.example:8000",
		`reached("https://localhost:8443", "[2001:db8::1]")`: "https://[2001:db8::1]:8443",
		`reached("http://localhost:8000", "127.0.0.1")`:      "http://localhost:8000",
		`reached("http://127.0.0.1:8000", "box.example")`:    "http://127.0.0.1:8000",
		`reached("", "box.example")`:                         "",
	} {
		if got := b.words("address." + call); got != want {
			t.Errorf("%s is %q, want %q", call, got, want)
		}
	}
	for call, want := range map[string]string{
		`unopened("http://localhost:1", { hostname: "127.0.0.1" })`:   "the application refused it",
		`unopened("http://127.0.0.1:1", { hostname: "box.example" })`: "--bind 0.0.0.0",
	} {
		if got := b.words("address." + call); !strings.Contains(got, want) || strings.Contains(got, "--allow-origin") {
			t.Errorf("%s is %q, want %q", call, got, want)
		}
	}

	// By another name the application is there as well, and says whom it lets in.
	host := outside(t)
	if host == "" {
		t.Log("this machine has no address but loopback")
		return
	}
	control := strings.Replace(p.saw(`inspector +(http\S+)`)[1], "localhost", host, 1)
	b.do(chromedp.Navigate(control + "#/play"))
	b.until(`document.querySelector(".live")?.dataset.how === "live"`)
	b.press("Open")
	origin := b.words(`location.origin`)
	b.shows("A page of " + origin + " is let in where asgibox is run with --allow-origin " + origin)
	b.picture("play-refused")
	p.saw(`to allow it, use --allow-origin.*origin=` + regexp.QuoteMeta(origin))
	b.run(`location.hash = "#/messages"`)
	p.mustCommand("send", "http.request", `{"method": "GET", "path": "/x", "reply_channel": "nobody"}`)
	b.openMessage("GET /x")
	b.press("curl")
	b.until(`!!document.querySelector("dialog[open] [name=text]")`) // no clipboard for such a page
	if got := b.words(`document.querySelector("dialog [name=text]").value`); !strings.Contains(got, "'http://"+host+":") {
		t.Errorf("as curl: %s", got)
	}
}

// outside answers an address of this machine that is not loopback, or "".
func outside(t *testing.T) string {
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
