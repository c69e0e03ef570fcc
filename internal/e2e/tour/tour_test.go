package tour

import (
	"archive/zip"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestTour drives every page of the tour in a browser.
func TestTour(t *testing.T) {
	b := openBrowser(t)
	p := startTour(t)
	b.do(chromedp.EmulateViewport(1280, 900))
	address := p.url + "/"
	for _, page := range []struct {
		name string
		test func(*testing.T, *process, *tab)
	}{
		{"four-lines", tourFourLines},
		{"request", tourRequest},
		{"reply-channels", tourReplyChannels},
		{"streaming", tourStreaming},
		{"events", tourEvents},
		{"handshake", tourHandshake},
		{"order", tourOrder},
		{"groups", tourGroups},
		{"jobs", tourJobs},
		{"delay", tourDelay},
		{"capacity", tourCapacity},
		{"expiry", tourExpiry},
		{"durability", tourDurability},
		{"chaos", tourChaos},
		{"any-language", tourAnyLanguage},
	} {
		t.Run(page.name, func(t *testing.T) {
			b.TB, p.TB = t, t
			b.do(chromedp.Navigate(address))
			b.until(`document.documentElement.dataset.page === ` + strconv.Quote(page.name))
			b.until(`"ready" in document.documentElement.dataset`)
			address = b.text(`document.querySelector("[rel=next]")?.href ?? ""`)
			page.test(t, p, b)
			b.until(`document.querySelector("#contents [aria-current] .tick").textContent === "✓"`)
			b.flowShowsMessages()
			b.pictures(t, page.name)
		})
	}
	b.TB, p.TB = t, t
	if address != "" {
		t.Errorf("there is a page after the last: %s", address)
	}
	b.shows("body", "15 of 15 done")
}

// TestTheTourWorksByKeyboard edits, saves, uses a button and turns the page
// without a mouse.
func TestTheTourWorksByKeyboard(t *testing.T) {
	b := openBrowser(t)
	p := startTour(t)
	b.do(chromedp.EmulateViewport(1280, 900), chromedp.Navigate(p.url+"/"))
	b.until(`"ready" in document.documentElement.dataset`)
	b.tabTo(`.cm-content`)
	b.do(chromedp.KeyEvent(kb.End), chromedp.KeyEvent("  # typed"), chromedp.KeyEvent("s", chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	b.shows("#saved", "Generation 2 is live")
	if source, err := get(p.url + "/"); err != nil || !strings.Contains(source, "while True:  # typed") {
		t.Errorf("the saved application is %v, %s", err, source)
	}
	b.tabTo(`#buttons button`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.shows("#log", "Hello World!")
	b.tabTo(`[rel=next]`)
	b.do(chromedp.KeyEvent(kb.Enter))
	p.eventually("the next page", func() bool {
		page, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.documentElement.dataset.page`)) // fails while the page changes
		return page == "request"
	})
}

// tabTo presses the Tab key until an element that matches has the focus. In the
// inspector, which the page embeds, the frame has it.
func (b *tab) tabTo(selector string) {
	b.Helper()
	for range 120 {
		if b.holds(`document.activeElement.matches(` + strconv.Quote(selector) + `)`) {
			return
		}
		b.do(chromedp.KeyEvent(kb.Tab))
	}
	b.Fatalf("the Tab key does not reach %s", selector)
}

// flowShowsMessages waits until the embedded inspector shows a channel.
func (b *tab) flowShowsMessages() {
	b.Helper()
	b.until(`document.querySelector("#flow").contentDocument?.querySelector(".pipe") && document.querySelector("#flow").contentDocument.querySelector("html.embedded")`)
}

// pictures checks that nothing is cut at two widths. If ASGIBOX_PICTURES is set,
// it takes pictures of the page.
func (b *tab) pictures(t *testing.T, name string) {
	t.Helper()
	for _, width := range []int64{400, 1280} {
		b.do(chromedp.EmulateViewport(width, 900))
		b.until(fmt.Sprintf(`innerWidth === %d`, width))
		if wide := b.text(`document.documentElement.scrollWidth - innerWidth`); wide != "0" {
			t.Errorf("the page is %s pixels wider than a window of %d", wide, width)
		}
		if os.Getenv("ASGIBOX_PICTURES") == "" {
			continue
		}
		for _, theme := range []string{"dark", "light"} {
			b.run(`localStorage.setItem("theme", '"` + theme + `"'); document.documentElement.dataset.theme = "` + theme + `"; frames[0].dispatchEvent(new StorageEvent("storage", { key: "theme" }))`)
			b.do(chromedp.Sleep(time.Second)) // colours change slowly
			height, _ := strconv.ParseInt(b.text(`document.documentElement.scrollHeight`), 10, 64)
			b.do(chromedp.EmulateViewport(width, height))
			b.screenshot(fmt.Sprintf("tour-%s-%d-%s", name, width, theme))
			b.do(chromedp.EmulateViewport(width, 900))
		}
	}
}

// edit replaces a text in the editor and saves.
func (b *tab) edit(old, new string) {
	b.Helper()
	b.run(`
		const content = document.querySelector(".cm-content"), view = content.cmTile?.view ?? content.cmView.view;
		const text = view.state.doc.toString(), at = text.indexOf(` + strconv.Quote(old) + `);
		if (at < 0) throw new Error("the application lacks the text");
		view.dispatch({ changes: { from: at, to: at + ` + strconv.Itoa(len(old)) + `, insert: ` + strconv.Quote(new) + ` } });
	`)
	b.press("Save")
}

func tourFourLines(t *testing.T, p *process, b *tab) {
	if body, err := get(p.url + "/"); err != nil || !strings.Contains(body, "Four lines") { // without a redirect
		t.Error(err, body)
	}
	b.press("Send a request")
	b.shows("#log", "Hello World!")
	b.edit("World", "Tour")
	b.shows("body", "Generation 2 is live")
	b.press("Send five at once")
	b.shows("#log", "Hello Tour!")
	b.press("Reset")
	b.shows("body", "Generation 3 is live")
	b.until(`document.querySelector(".cm-content").innerText.includes("Hello World!")`)
}

func tourRequest(t *testing.T, p *process, b *tab) {
	b.press("GET with a query")
	b.shows("#log", `query_string = b"name=ann&page=2"`)
	b.shows("#log", "x-handled-by: show")
	b.press("POST a form")
	b.shows("#log", `body = b"name=ann&likes=tea"`)
	b.edit(`"status": 200`, `"status": 418`)
	b.shows("body", "Generation 2 is live")
	b.press("PUT with a header")
	b.shows("#log", "PUT /notes/7 → 418")

	b.edit(`"content": "\n".join(lines)`, `"content": "\n".joined(lines)`)
	b.shows("body", "Generation 3 is live") // the mistake shows when the line runs
	b.edit(`channel_routing = [`, `channel_routing = [[`)
	b.shows("body", "the version before it continues")
	b.until(`document.querySelector("#error").innerText.includes("channel_routing = [[")`)
	b.until(`document.querySelectorAll(".cm-lint-marker-error, .cm-lintRange-error, .cm-lintPoint-error").length > 0`)
	b.press("Reset")
	b.shows("body", "Generation 4 is live")
	b.until(`document.querySelector("#error").hidden`)
}

func tourReplyChannels(t *testing.T, p *process, b *tab) {
	b.press("Answer")
	b.shows("#log", "no request waits; ask first")
	b.press("Ask")
	b.shows("#log", "GET /ask waits for a response")
	b.pressUntil("Answer", "the answer is 42")
	b.shows("#log", "sent to asgibox.response.")
}

func tourStreaming(t *testing.T, p *process, b *tab) {
	b.press("Count down")
	b.shows("#log", "3… 2… 1… lift-off")
	b.press("Wait for news")
	b.shows("#log", "GET /next waits for a response")
	b.pressUntil("Tell", "it rains")
}

func tourEvents(t *testing.T, p *process, b *tab) {
	b.press("Listen")
	b.shows(".socket", "you listen")
	b.press("Tell")
	b.shows(".socket", "it pours")
	for range 60 {
		if _, err := http.Post(p.url+"/app/events/tell", "text/plain", strings.NewReader("on and on")); err != nil {
			t.Fatal(err)
		}
	}
	b.until(`document.querySelectorAll(".talk li").length === 40 && !document.querySelector(".talk").textContent.includes("it pours")`)
	b.press("Stop")
	b.shows(".socket", "closed")
}

func tourHandshake(t *testing.T, p *process, b *tab) {
	b.press("Accept")
	b.shows(".socket", "welcome")
	b.press("Deny")
	b.shows(".socket", "refused: 1006")
	b.press("Accept, then close with 4001")
	b.shows(".socket", "closed: 4001 come back later")
	b.pressUntil("Which code did the application see?", "4001 /close")
	b.press("Close")
	b.shows(".socket", "closed: 1000")
}

func tourOrder(t *testing.T, p *process, b *tab) {
	b.press("Ten frames, in order")
	b.shows("#log", "/ordered: 1 2 3 4 5 6 7 8 9 10: in order")
	b.press("Ten frames with ordered=False")
	b.shows("#log", "/unordered: ")
}

func tourGroups(t *testing.T, p *process, b *tab) {
	b.press("Open two red and two blue sockets")
	b.until(`document.querySelectorAll(".socket.open").length === 4`)
	b.press("Send") // in the first red socket
	b.until(`[...document.querySelectorAll(".socket")].filter((s) => s.innerText.includes("←hello") || s.innerText.includes("←\nhello")).length === 2`)
	b.edit(`{"text": message["text"]}`, `{"text": message["text"].upper()}`)
	b.shows("body", "All 4 open sockets of this page stay open.")
	b.press("Send")
	b.until(`[...document.querySelectorAll(".socket.open")].filter((s) => s.innerText.includes("HELLO")).length === 2`)
	b.press("Shout to both rooms with a request")
	b.shows("#log", "2 in red, 2 in blue")
}

func tourJobs(t *testing.T, p *process, b *tab) {
	b.press("Order one")
	b.shows("#log", "POST /order → 202")
	b.shows(".socket", "order 1 is packed")
}

func tourDelay(t *testing.T, p *process, b *tab) {
	b.press("Remind me in three seconds")
	b.shows(".socket", "your three seconds are over")
	b.press("Try a job until it works")
	b.shows(".socket", "try 2")
}

func tourCapacity(t *testing.T, p *process, b *tab) {
	b.press("Send eight requests at once")
	b.shows("#log", "GET /slow → 503")
	b.shows("#log", "GET /slow → 200")
	b.press("Fill a socket")
	b.shows("#log", "all 300 frames were handled")
}

func tourExpiry(t *testing.T, p *process, b *tab) {
	b.press("Put a letter")
	b.shows("#log", " waiting")
	p.eventually("a letter is taken before it expires", func() bool {
		b.press("Put a letter")
		b.press("Take a letter")
		return b.holds(`document.querySelector("#log").innerText.includes("the letter says hello")`)
	})
	b.shows("#log", "no letter is left")
}

func tourDurability(t *testing.T, p *process, b *tab) {
	b.press("Queue five jobs, set an alarm, open a socket")
	b.shows(".socket", "open")
	b.press("Kill the server with SIGKILL")
	b.shows("#log", "was killed with SIGKILL")
	b.shows("#log", "the report is complete")
	b.shows(".socket", "closed: 1006")
	p.waitFor(`the server has ended \(signal: killed\)`)
	for i, want := range []string{"survived", "survived", "survived", "not promised", "not promised"} {
		if got := b.text(fmt.Sprintf(`document.querySelectorAll("#buttons tbody tr")[%d].lastChild.textContent`, i)); got != want {
			t.Errorf("row %d of the report: %s, want %s", i+1, got, want)
		}
	}
}

func tourChaos(t *testing.T, p *process, b *tab) {
	b.press("Send twenty numbers")
	b.shows("#log", "of 20 have arrived")
	b.press("Send them with an outbox")
	b.shows("#log", "20 of 20 have arrived")
}

func tourAnyLanguage(t *testing.T, p *process, b *tab) {
	b.press("Ask")
	b.shows("#log", "waits for a response")
	lines := strings.Split(b.text(`[...document.querySelectorAll(".shell")].map((e) => e.innerText.trim()).join("\n")`), "\n")
	if len(lines) != 2 {
		t.Fatalf("%q", lines)
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl on this machine")
	}
	shell := func(line string) string {
		t.Helper()
		out, err := exec.Command("sh", "-c", strings.Replace(line, "curl", "curl --silent --show-error --fail", 1)).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
		return string(out)
	}
	_, name, _ := strings.Cut(shell(lines[0]), `"reply_channel":"`)
	name, _, _ = strings.Cut(name, `"`)
	shell(strings.Replace(lines[1], "NAME", name, 1))
	b.shows("#log", "HELLO!")
	b.shows("#log", "A program in another language was the worker.")
}

// TestTheTourLeavesNothing ends the tour in each way. Its output ends only when
// both processes have ended.
func TestTheTourLeavesNothing(t *testing.T) {
	for name, end := range map[string]func(*process){
		"as Ctrl-C does": func(p *process) { _ = p.cmd.Process.Signal(os.Interrupt) },
		"kill -9":        func(p *process) { _ = p.cmd.Process.Kill() },
		"after a kill of the server": func(p *process) {
			r, err := http.Post(p.url+"/kill", "", nil)
			if err != nil {
				p.Fatal(err)
			}
			r.Body.Close()
			p.waitFor("it starts again")
			p.eventually("the next server serves", func() bool {
				_, err := get(p.url + "/app/four-lines/")
				return err == nil
			})
			_ = p.cmd.Process.Signal(os.Interrupt)
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			t.Setenv("TMPDIR", folder)
			p := startTour(t)
			if body, err := get(p.url + "/app/four-lines/"); err != nil || body != "Hello World!" {
				t.Errorf("the application responds with %q, %v", body, err)
			}
			end(p)
			select {
			case <-p.ended:
			case <-time.After(patience):
				t.Fatalf("a process of the tour still runs; its output:\n%s", p.output())
			}
			if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
				t.Errorf("files are left: %v %v", left, err)
			}
		})
	}
}

// TestADownloadedApplicationRuns serves the downloads of all pages with the
// command that their README names.
func TestADownloadedApplicationRuns(t *testing.T) {
	p := startTour(t)
	page, err := get(p.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`data-name="([^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(names) != 15 {
		t.Fatalf("%d pages", len(names))
	}
	for _, m := range names {
		body, err := get(p.url + "/download/" + m[1] + ".zip")
		if err != nil {
			t.Fatal(err)
		}
		z, err := zip.NewReader(strings.NewReader(body), int64(len(body)))
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := os.CopyFS(dir, z); err != nil {
			t.Fatal(err)
		}
		readme, err := os.ReadFile(filepath.Join(dir, m[1], "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		_, flags, ok := strings.Cut(strings.TrimSpace(string(readme)), "asgibox run app.star")
		if !ok {
			t.Fatalf("%s: %s", m[1], readme)
		}
		args := []string{"run", filepath.Join(dir, m[1], "app.star"), "--port", "0", "--store", "memory", "--control", "off"}
		run := launch(t, append(args, strings.Fields(flags)...)...)
		run.waitFor("loaded app.star, generation 1")
		if strings.Contains(run.output(), "warning") {
			t.Errorf("%s:\n%s", m[1], run.output())
		}
		_ = run.cmd.Process.Kill()
	}
}

func TestCommandsReachAPageOfTheTour(t *testing.T) {
	p := startTour(t)
	if _, err := get(p.url + "/app/four-lines/"); err != nil {
		t.Fatal(err)
	}
	list := launch(t, "channels", "--control", p.waitFor(`inspector +(http\S+)`)[1]+"four-lines")
	list.waitFor(`http\.request +0 +1000`)
}

func TestTheTourReportsBadFlags(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for want, args := range map[string][]string{
		"another program uses it": {"demo", "--port", port},
		"takes no arguments":      {"demo", "app.star"},
		"run that":                {"demo-server"},
	} {
		p := launch(t, args...)
		<-p.ended
		if out := p.output(); p.cmd.ProcessState.ExitCode() != 1 || !strings.Contains(out, want) || strings.Count(out, "\n") != 1 {
			t.Errorf("%q: %v, %s", args, p.cmd.ProcessState, out)
		}
	}
}
