package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/coder/websocket"
)

// requestsApp has a response of each kind.
const requestsApp = `
def page(request):
    return "<h1>Hello <script>alert(1)</script></h1>"

def data(request):
    return {"list": [1, 2.0], "markup": "<b>bold</b>", "got": request.method + " " + str(request.body)}

def drawing(request):
    return HttpResponse('<svg xmlns="http://www.w3.org/2000/svg"></svg>', content_type="image/svg+xml")

def picture(request):
    head = b"BM\x46\x00\x00\x00\x00\x00\x00\x00\x3e\x00\x00\x00\x28\x00\x00\x00\x08\x00\x00\x00\x02\x00\x00\x00\x01\x00\x01\x00" + b"\x00" * 24
    return HttpResponse(head + b"\x00\x80\x80\x00\xff\xff\xff\x00" + b"\xaa\x00\x00\x00" * 2, content_type="image/bmp")

def job(request):
    Channel("jobs").send({"n": 1})
    return "queued"

def broken(request):
    return 1 // 0

def hold(message):
    state.set(message["path"], message.reply_channel.name)

def release(request):
    Channel(state.get("/held")).send({"status": 200, "content": "released"})
    return "ok"

def begin(request):
    Channel(state.get("/stream")).send({"status": 200, "headers": [["Content-Type", "text/event-stream"]], "content": "data: first\n\n", "more_content": True})
    return "ok"

def more(request):
    Channel(state.get("/stream")).send({"content": "data: second\n\n", "more_content": True})
    return "ok"

def end(request):
    Channel(state.get("/stream")).send({"content": "data: last\n\n"})
    return "ok"

def connect(message):
    message.reply_channel.send({"accept": message["path"] != "/refused", "close": message["path"] == "/refused"})

def receive(message):
    message.reply_channel.send({"text": "you said " + message["text"]})

channel_routing = [
    view("/", page),
    view("/data", data),
    view("/picture", picture),
    view("/drawing", drawing),
    view("/job", job),
    view("/broken", broken),
    route("http.request", hold, path=r"^/(held|stream)$"),
    view("/release", release),
    view("/begin", begin),
    view("/more", more),
    view("/end", end),
    static("/static/", "static"),
    route("websocket.connect", connect),
    route("websocket.receive", receive),
]
`

// startRequests starts requestsApp.
func startRequests(t *testing.T) *program {
	t.Helper()
	return startIn(t, requestsDir(t), "app.star")
}

// requestsDir returns a folder with requestsApp and a static file.
func requestsDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Dir(writeApp(t, requestsApp))
	if err := os.Mkdir(filepath.Join(dir, "static"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "static", "a.css"), []byte("body { color: teal }"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// requestRow finds the row of a request whose text matches an expression.
func requestRow(text string) string {
	return `[...document.querySelectorAll(".requests tbody tr")].find((r) => [...r.cells].map((c) => c.innerText).join(" ").includes(` + quoteJS(text) + `))`
}

// openRequest opens the request whose row contains a text.
func (b *tab) openRequest(text string) {
	b.Helper()
	b.until(`!!` + requestRow(text))
	b.run(requestRow(text) + `.click()`)
	b.until(`document.querySelector(".detail:not([hidden]) h2 .target")?.innerText.endsWith(" " + document.querySelector(".requests tr.selected td.address").innerText)`)
}

// paths returns the listed paths, the newest first.
func (b *tab) paths() []string {
	b.Helper()
	return strings.Fields(b.text(`[...document.querySelectorAll(".requests td.address")].map((c) => c.innerText).join(" ")`))
}

// inTheBackground requests a path and returns a function that waits for the
// response and returns its body.
func (p *program) inTheBackground(path string) (body func() string) {
	p.Helper()
	done := make(chan string, 1)
	go func() {
		resp, err := http.Get(p.url + path)
		if err != nil {
			done <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		done <- string(body)
	}()
	return func() string { return <-done }
}

func testRequests(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := startRequests(t)
	for _, path := range []string{"/?name=Ann", "/data", "/static/a.css", "/nothing", "/broken", "/__asgibox__/generation"} {
		p.get(path)
	}
	p.openView(b, "requests")
	b.until(`document.querySelectorAll(".requests tbody tr").length === 5`)
	if got, want := b.paths(), []string{"/broken", "/nothing", "/static/a.css", "/data", "/?name=Ann"}; !slices.Equal(got, want) {
		t.Errorf("listed: %q, want %q", got, want)
	}
	for _, want := range []string{"GET /broken 500 text/", "GET /nothing 404", "GET /static/a.css 200 text/css", "GET /data 200 application/json data (app.star:", "GET /?name=Ann 200 text/html page (app.star:"} {
		b.until(`!!` + requestRow(want))
	}

	// Filters, and buttons for some.
	b.clickButton("Errors")
	b.until(`document.querySelectorAll(".requests tbody tr").length === 2`)
	b.typeInto("main input[type=search]", "staus:404")
	b.waitForText("Unknown key staus:; use method, path")
	b.typeInto("main input[type=search]", "status:404 -path:/x")
	b.until(`document.querySelectorAll(".requests tbody tr").length === 1 && document.querySelector("p.wrong").hidden`)
	b.clickButton("Sockets")
	b.waitForText("No request in the history matches the filter")
	b.clickButton("All")
	b.until(`document.querySelectorAll(".requests tbody tr").length === 5`)

	b.run(`document.activeElement.blur()`)

	// A failed handler leads to its error, and back.
	b.openRequest("/broken")
	b.run(`[...document.querySelectorAll(".detail a")].find((a) => a.textContent === "Show the error").click()`)
	b.until(`document.querySelector("#view").dataset.view === "errors" && document.querySelector(".detail")?.innerText.includes("division by zero")`)
	b.run(`[...document.querySelectorAll(".detail a")].find((a) => a.textContent === "In Requests").click()`)
	b.until(`document.querySelector("#view").dataset.view === "requests" && document.querySelector(".detail h2")?.innerText === "GET /broken"`)
	b.pressKey(kb.Escape)
	b.until(`document.querySelector(".detail").hidden`)

	// A request that waits for other work, and a response that is streamed.
	held := p.inTheBackground("/held")
	b.until(`!!` + requestRow("GET /held held"))
	b.openRequest("GET /held")
	b.waitForText("Its handler has ended without a response.")
	p.get("/release")
	if got := held(); got != "released" {
		t.Errorf("the held request got %q", got)
	}
	b.until(`document.querySelector(".detail").innerText.includes("released") && document.querySelector(".timing .heldMs")`)
	b.pressKey(kb.Escape)
	stream := p.inTheBackground("/stream")
	b.until(`!!` + requestRow("GET /stream held"))
	b.openRequest("GET /stream")
	p.get("/begin")
	b.until(`document.querySelector(".detail").innerText.includes("data: first") && !!` + requestRow("GET /stream 200 …"))
	p.get("/more")
	b.until(`document.querySelector(".detail").innerText.includes("data: second") && document.querySelectorAll(".frame").length === 2`)
	b.check("the open request is not moved by new ones", `document.querySelector(".requests tr.selected td.address").innerText === "/stream"`)
	b.screenshot("requests-stream")
	p.get("/end")
	stream()
	b.until(`document.querySelectorAll(".frame").length === 3 && !!` + requestRow("GET /stream 200 ") + ` && !document.querySelector(".requests tr.selected.ongoing")`)
	b.pressKey(kb.Escape)
	b.until(`document.querySelector(".detail").hidden`)

	// Frames of a socket, as they come.
	s := p.dial("/talk")
	s.exchange("one")
	b.openRequest("WS /talk open")
	b.until(`document.querySelectorAll(".frame").length === 4`)
	s.exchange("two")
	b.until(`document.querySelector(".frame").innerText.includes("you said two") && !!` + requestRow("WS /talk open"))
	b.screenshot("requests-socket")
	s.c.CloseNow()
	b.until(`!!` + requestRow("WS /talk closed 1006"))
	b.waitForText("lost without a close frame")
	if c, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(p.url, "http")+"/refused", nil); err == nil {
		c.CloseNow()
		t.Error("the socket was not refused")
	}
	b.pressKey(kb.Escape)
	b.until(`!!` + requestRow("WS /refused refused 403"))

	// Paused, the list stands still.
	b.run(`document.activeElement.blur()`)
	b.pressKey(" ")
	b.waitForText("paused · 0 new")
	rows := b.integer(`document.querySelectorAll(".requests tbody tr").length`)
	p.get("/data?again")
	b.waitForText("paused · 1 new")
	if n := b.integer(`document.querySelectorAll(".requests tbody tr").length`); n != rows {
		t.Errorf("%d rows, want %d", n, rows)
	}
	b.pressKey(" ")
	b.until(`!!` + requestRow("/data?again"))
	b.clickButton("Clear")
	b.waitForText("No requests yet.")
}

func testBodies(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := startRequests(t)
	post := func(path, contentType, body string) {
		t.Helper()
		resp, err := http.Post(p.url+path, contentType, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	p.get("/?html")
	p.get("/job")
	p.get("/picture")
	p.get("/drawing")
	post("/data?urlencoded", "application/x-www-form-urlencoded", "a=1&b=%3Cb%3Ehello+you%3C%2Fb%3E")
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	w.WriteField("name", "Zoë")
	file, _ := w.CreateFormFile("upload", "dots.bin")
	file.Write([]byte("\x00\xff"))
	w.Close()
	post("/data?multipart", w.FormDataContentType(), form.String())
	post("/data?json", "application/json", `{"x":[1,2.0]}`)
	post("/data?long", "text/plain", strings.Repeat("0123456789", 300<<10)+"THE END")
	post("/data?deep", "application/json", strings.Repeat(`{"x":[`, 5000)+strings.Repeat("]}", 5000))
	post("/data?fields"+strings.Repeat("&q", 2000), "application/x-www-form-urlencoded", strings.Repeat("f&", 130_000))
	large := new(bytes.Buffer)
	if err := png.Encode(large, image.NewPaletted(image.Rect(0, 0, 5000, 5000), color.Palette{color.Black})); err != nil {
		t.Fatal(err)
	}
	post("/data?large", "image/png", large.String())
	texts := []struct{ name, body, want string }{
		{"thai", strings.Repeat("ก", 80_000), "and 63,616 more characters"}, // in one line
		{"marks", "e" + strings.Repeat("\u0301", 100_000), "e" + strings.Repeat("\u0301", 30) + "…"},
		{"lines", strings.Repeat("x\n", 100_000), "and 180,000 more characters"},
		{"direction", "file\u202egnp.exe", `file\u202egnp.exe`},
	}
	for _, c := range texts {
		post("/data?"+c.name, "text/plain", c.body)
	}

	p.openView(b, "requests")
	inside := func(side, text string) {
		t.Helper()
		b.until(`document.querySelector(".sides section[aria-label=` + side + `]").innerText.replaceAll("\t", " ").includes(` + quoteJS(text) + `)`)
	}
	b.openRequest("/?html")
	inside("Response", "<h1>Hello <script>alert(1)</script></h1>")
	inside("Response", "content-type text/html")
	inside("Request", "html")
	b.openRequest("/job")
	b.until(`document.querySelector(".timing .diskMs")`)
	b.openRequest("/drawing")
	inside("Response", "<svg")
	b.openRequest("/picture")
	b.until(`document.querySelector(".picture img")?.naturalWidth === 8`)
	b.check("the picture is a data: URL", `document.querySelector(".picture img").src.startsWith("data:image/bmp;base64,")`)
	b.screenshot("requests-picture")
	b.openRequest("/data?large")
	inside("Request", "5000 × 5000, too large to be drawn")
	b.openRequest("/data?urlencoded")
	inside("Request", "b <b>hello you</b>")
	inside("Response", `"markup": "<b>bold</b>"`)
	b.run(`[...document.querySelectorAll(".sides section[aria-label=Response] button")].find((x) => x.textContent === "hex").click()`)
	inside("Response", "7b 22")
	b.openRequest("/data?multipart")
	inside("Request", "name Zoë")
	inside("Request", "dots.bin application/octet-stream, 2 B")
	b.openRequest("/data?json")
	inside("Request", "\"x\": [\n")
	inside("Request", "2.0")
	b.openRequest("/data?long")
	inside("Request", "the first 256.0 KiB")
	b.openRequest("/data?deep")
	inside("Request", `not indented, because it is too long or has too many levels)`+"\n"+`{"x":[{"x":[`)
	b.openRequest("/data?fields")
	b.until(`[...document.querySelectorAll(".sides section[aria-label=Request] .fields")].every((t) => t.rows.length === 1001)`)
	inside("Request", "and 1,001 more") // parameters
	inside("Request", "and 129k more")  // fields
	for _, c := range texts {
		b.openRequest("/data?" + c.name)
		b.until(`document.querySelector(".sides section[aria-label=Request]").textContent.includes(` + quoteJS(strings.ReplaceAll(c.want, `\`, `\\`)) + `)`)
	}
	inflated := zipped(make([]byte, 1<<26))
	b.run(`import("/js/network/body.js").then((m) => { m.decompress(Uint8Array.from(atob(` + quoteJS(inflated) + `), (c) => c.charCodeAt(0)), "gzip").then((data) => { window.inflated = data.length; }); })`)
	b.until(`window.inflated > 256 << 10 && window.inflated < 1 << 20`)
	if n := b.integer(`document.querySelectorAll("main .sides :is(h1, b, script, svg)").length`); n != 0 {
		t.Error("a body was drawn as HTML")
	}
}

// zipped returns compressed data in base64.
func zipped(data []byte) string {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid
	_, _ = w.Write(data)
	_ = w.Close()
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

func testRequestCopies(t *testing.T, b *tab) {
	b.do(chromedp.EmulateViewport(1280, 860))
	p := startRequests(t)
	resp, err := http.Post(p.url+"/data?q=a%26b", "text/plain", strings.NewReader("it's 100%"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	s := p.dial("/talk")
	s.exchange("hello")

	p.openView(b, "requests")
	b.openRequest("POST /data?q=a%26b")
	if got := b.runCopiedCurl(); !strings.Contains(got, "it's 100%") {
		t.Errorf("the copied command printed %s", got)
	}
	b.waitForText("1 more") // that of curl

	var archive struct {
		Log struct {
			Version string
			Entries []struct {
				Time    float64
				Request struct {
					Method, URL string
					PostData    struct{ Text string }
				}
				Response struct {
					Status  int
					Content struct{ Text, MimeType string }
				}
				Frames []struct{ Type, Data string } `json:"_webSocketMessages"`
			}
		}
	}
	if err := json.Unmarshal([]byte(b.copyWith("HAR")), &archive); err != nil || archive.Log.Version != "1.2" || len(archive.Log.Entries) != 1 {
		t.Fatalf("HAR: %v, %+v", err, archive)
	}
	if e := archive.Log.Entries[0]; e.Request.Method != "POST" || e.Request.URL != p.url+"/data?q=a%26b" || e.Request.PostData.Text != "it's 100%" || e.Response.Status != 200 || !strings.Contains(e.Response.Content.Text, `"bold"`) && !strings.Contains(e.Response.Content.Text, "bold") || e.Time <= 0 {
		t.Errorf("HAR: %+v", e)
	}

	file := filepath.Join(p.dir, "copied_test.star")
	b.run(`window.copied = ""; navigator.clipboard.writeText = async (text) => { window.copied = text; }`)
	b.clickButton("Starlark test")
	b.until(`window.copied !== ""`)
	b.save(file, `window.copied`)
	expectTests(t, 0, file)

	// Replayed by key, and edited first.
	b.run(`document.activeElement.blur()`)
	b.pressKey("r")
	b.waitForText("Replayed: 200 in")
	b.clickButton("Close")
	b.until(`!document.querySelector("dialog[open]") && !document.activeElement.closest("dialog")`)
	b.pressKey("e")
	b.until(`document.querySelector("dialog[open] [aria-label=Path]")?.value.includes("/data?q=a%26b") && document.activeElement.ariaLabel === "Path"`)
	b.run(`const f = document.querySelector("dialog form"); f.querySelector("[aria-label=Path]").value = "/data?edited"; f.requestSubmit()`)
	b.until(`document.querySelector("dialog .answered")?.innerText.includes("it's 100%")`)
	b.screenshot("requests-edit")
	b.pressKey(kb.Escape)
	b.until(`!document.querySelector("dialog[open]") && !document.activeElement.closest("dialog")`)
	b.pressKey(kb.Escape)
	b.until(`!!` + requestRow("POST /data?edited 200"))

	// A socket as a test and as an archive.
	b.openRequest("WS /talk")
	if err := json.Unmarshal([]byte(b.copyWith("HAR")), &archive); err != nil || len(archive.Log.Entries) != 1 {
		t.Fatalf("HAR: %v, %+v", err, archive)
	}
	if e := archive.Log.Entries[0]; e.Response.Status != 101 || len(e.Frames) != 2 || e.Frames[0].Data != "hello" || e.Frames[1].Type != "receive" {
		t.Errorf("HAR of the socket: %+v", e)
	}
	file = filepath.Join(p.dir, "socket_test.star")
	b.run(`window.copied = ""; navigator.clipboard.writeText = async (text) => { window.copied = text; }`)
	b.clickButton("Starlark test")
	b.until(`window.copied.includes("you said hello")`)
	b.save(file, `window.copied`)
	expectTests(t, 0, file)

	// The command prints the same.
	if got := p.mustCommand("requests", "is:socket"); !strings.Contains(got, "/talk") || strings.Contains(got, "/data") {
		t.Errorf("asgibox requests printed:\n%s", got)
	}
	archive.Log.Entries = nil
	if err := json.Unmarshal([]byte(p.mustCommand("requests", "--har", "path:/data")), &archive); err != nil || len(archive.Log.Entries) != 4 {
		t.Errorf("asgibox requests --har: %v, %+v", err, archive)
	}
}

func testRequestLayout(t *testing.T, b *tab) {
	p := startRequests(t)
	long := strings.Repeat("a-path-that-does-not-end/", 9)
	p.get("/" + long + "?" + strings.Repeat("y", 700))
	p.get("/data")
	p.get("/broken")
	p.get("/job")
	p.get("/picture")
	s := p.dial("/" + long)
	s.exchange(strings.Repeat("words without end ", 30))
	post, err := http.Post(p.url+"/data", "application/x-www-form-urlencoded", strings.NewReader("text=hello+you&a-name-that-is-rather-long="+strings.Repeat("z", 300)))
	if err != nil {
		t.Fatal(err)
	}
	post.Body.Close()
	checkWidth := func(what string) {
		t.Helper()
		if n := b.integer(`document.documentElement.scrollWidth - innerWidth`); n > 0 {
			t.Errorf("%s is %d pixels wider than the page", what, n)
		}
		if n := b.integer(`Math.max(0, ...[...document.querySelectorAll(".scroll, .detail, .sides section")].map((e) => e.scrollWidth - e.clientWidth))`); n > 0 {
			t.Errorf("%s: %d pixels are cut", what, n)
		}
	}
	for _, width := range []int64{1280, 400} {
		for _, colours := range []string{"light", "dark"} {
			b.do(chromedp.EmulateViewport(width, 860))
			b.setMedia("prefers-color-scheme", colours)
			name := fmt.Sprintf("requests-%d-%s", width, colours)
			p.openView(b, "requests")
			b.until(`document.querySelectorAll(".requests tbody tr").length === 7`)
			checkWidth(name)
			b.screenshot(name)
			b.openRequest("POST /data 200")
			checkWidth(name + "-open")
			wide := b.integer(`document.querySelectorAll(".sides section")[1].offsetLeft - document.querySelectorAll(".sides section")[0].offsetLeft`)
			if (wide > 200) != (width == 1280) {
				t.Errorf("%d: the response is %d pixels right of the request", width, wide)
			}
			b.screenshot(name + "-open")
			b.openRequest("WS /")
			b.until(`document.querySelectorAll(".frame").length >= 4`)
			checkWidth(name + "-socket")
			b.openRequest("/a-path-that")
			checkWidth(name + "-long")
		}
	}

	// By keyboard alone.
	b.do(chromedp.EmulateViewport(1280, 860))
	p.openView(b, "flow")
	b.pressKey("2")
	b.until(`document.querySelector("#view").dataset.view === "requests" && document.querySelectorAll(".requests tbody tr").length === 7`)
	b.pressKey("j")
	b.pressKey("j")
	b.until(`document.activeElement === document.querySelectorAll(".requests tbody tr")[1]`)
	b.pressKey("\r")
	b.until(`!document.querySelector(".detail").hidden && document.querySelector("tr.selected") === document.activeElement`)
	before := b.text(`document.querySelector(".detail h2").innerText`)
	b.pressKey("j")
	b.until(`document.querySelector(".detail h2").innerText !== ` + quoteJS(before))
	b.pressKey("/")
	b.until(`document.activeElement.type === "search"`)
	b.do(chromedp.KeyEvent("broken"), chromedp.KeyEvent("\r"))
	b.until(`document.querySelector(".detail").hidden || document.querySelectorAll(".requests tbody tr").length === 1`)
	b.do(chromedp.KeyEvent(kb.Escape), chromedp.KeyEvent(kb.Escape))
	b.until(`document.querySelector(".detail").hidden`)
}
