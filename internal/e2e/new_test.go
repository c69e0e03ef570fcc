package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"asgibox/examples"
)

// newProject makes a project from a template, checks and tests it, and returns its
// folder.
func newProject(t testing.TB, template string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), template)
	status, out := runCommand(t, "new", template, dir)
	if status != 0 {
		t.Fatalf("status %d: %s", status, out)
	}
	expectText(t, out, "  cd "+dir+"\n  asgibox run\n  asgibox test\n")
	if status, out := runCommand(t, "check", "--strict", filepath.Join(dir, "app.star")); status != 0 {
		t.Fatalf("check: status %d: %s", status, out)
	}
	if status, out := runCommand(t, "test", "--timeout", "10m", dir); status != 0 {
		t.Fatalf("test: status %d: %s", status, out)
	}
	return dir
}

// edit replaces a text of app.star, which must be there once, and waits until the
// new version is live. The open sockets must stay open.
func (p *program) edit(before, after string, sockets int) {
	p.Helper()
	app, err := os.ReadFile(filepath.Join(p.dir, "app.star"))
	if err != nil {
		p.Fatal(err)
	}
	if n := strings.Count(string(app), before); n != 1 {
		p.Fatalf("app.star has %q %d times", before, n)
	}
	p.save("app.star", strings.Replace(string(app), before, after, 1))
	kept := fmt.Sprintf("%d sockets", sockets)
	if sockets == 1 {
		kept = "1 socket"
	}
	p.waitFor(`reloaded app\.star, generation 2, [^,]+, ` + kept + ` kept open`)
}

// newBrowser returns a client with cookies of its own.
func newBrowser(t testing.TB) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

// request sends a request and decodes the JSON of the response, if it has any. The
// body is a form, a value to send as JSON, or nil.
func request[T any](t testing.TB, c *http.Client, method, address string, body any) (status int, value T) {
	t.Helper()
	kind, content := "", io.Reader(nil)
	switch body := body.(type) {
	case nil:
	case url.Values:
		kind, content = "application/x-www-form-urlencoded", strings.NewReader(body.Encode())
	default:
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		kind, content = "application/json", bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, address, content)
	if err != nil {
		t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	r, err := c.Do(req)
	if err != nil {
		t.Error(err)
		return 0, value
	}
	defer r.Body.Close()
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		if err := json.NewDecoder(r.Body).Decode(&value); err != nil {
			t.Error(err)
		}
	}
	return r.StatusCode, value
}

// wantStatus fails unless a request has the status.
func wantStatus(t testing.TB, c *http.Client, method, address string, body any, want int) {
	t.Helper()
	if status, _ := request[any](t, c, method, address, body); status != want {
		t.Errorf("%s %s: status %d, want %d", method, address, status, want)
	}
}

func TestNewWithoutArgumentsListsTheTemplates(t *testing.T) {
	_, out := runCommand(t, "new")
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	templates := append(slices.Clone(examples.Templates), examples.Go)
	if len(lines) != len(templates) {
		t.Errorf("%d lines:\n%s", len(lines), out)
	}
	for i, template := range templates {
		if !strings.HasPrefix(lines[i], template.Name+" ") || !strings.HasSuffix(lines[i], template.Summary) {
			t.Errorf("line %d is %q", i+1, lines[i])
		}
	}
}

func TestNewGoIsAPackageOfTheModuleOrANewModule(t *testing.T) {
	dir := t.TempDir()
	build := func(folder string) {
		t.Helper()
		folder = filepath.Join(dir, folder)
		status, out := runCommand(t, "new", "go", folder)
		if status != 0 {
			t.Fatalf("status %d: %s", status, out)
		}
		expectText(t, out, "  cd "+folder+"\n  asgibox run .\n")
		cmd := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(t.TempDir(), "app"), ".")
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "GOPROXY=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
	build("alone")
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/shop\n\ngo 1.22\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	build("cmd/worker")
	if _, err := os.Stat(filepath.Join(dir, "cmd/worker/go.mod")); err == nil {
		t.Error("a module in a module")
	}
	expectText(t, mustFail(t, "new", "go", filepath.Join(dir, "alone")), "would be overwritten: ")
}

func TestNewExplainsWrongArguments(t *testing.T) {
	expectText(t, mustFail(t, "new", "caht"), `there is no template "caht"; did you mean "chat"?`)
	expectText(t, mustFail(t, "new", "wiki"), "the templates are hello, poll, ")
	expectText(t, mustFail(t, "new", "chat", ""), "the folder is empty")
	expectText(t, mustFail(t, "new", "chat", "a", "b"), "takes [TEMPLATE [DIR]], but got 3 arguments")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	expectText(t, mustFail(t, "new", "chat", file), file+" is a file")
	expectText(t, mustFail(t, "run", filepath.Join(t.TempDir(), "app.star")), "asgibox new")
}

func TestNewOverwritesNothing(t *testing.T) {
	dir := newProject(t, "hello")
	app := filepath.Join(dir, "app.star")
	if err := os.WriteFile(app, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	expectText(t, mustFail(t, "new", "chat", dir), "these files in "+dir+" would be overwritten: .vscode")
	if got, err := os.ReadFile(app); err != nil || string(got) != "mine" {
		t.Errorf("%q %v", got, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "static")); err == nil {
		t.Error("a part of the chat was written")
	}
}

func TestNewUsesTheCurrentFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	status, out := runCommand(t, "new", "chat", ".")
	if status != 0 || strings.Contains(out, "cd ") {
		t.Errorf("status %d: %s", status, out)
	}
	if status, out := runCommand(t, "check"); status != 0 {
		t.Errorf("check: status %d: %s", status, out)
	}
	if status, out := runCommand(t, "new", "hello"); status != 0 {
		t.Errorf("without a folder: status %d: %s", status, out)
	}
	if status, out := runCommand(t, "check", "hello/app.star"); status != 0 {
		t.Errorf("check: status %d: %s", status, out)
	}
}

func TestHelloTemplate(t *testing.T) {
	p := startIn(t, newProject(t, "hello"), "app.star")
	_, body := p.get("/?name=Ada")
	expectText(t, body, "Hello, Ada!")
	expectText(t, body, "<b>1</b> time.")
	p.edit(`"World"`, `"Stranger"`, 0)
	_, body = p.get("/")
	expectText(t, body, "Hello, Stranger!")
	expectText(t, body, "<b>2</b> times.")
}

// pollResults are results that the poll sends.
type pollResults struct {
	Number int
	Totals map[string]int
}

// waitForVotes reads results until they have that many votes.
func (s *socket) waitForVotes(number int) pollResults {
	s.p.Helper()
	for {
		var r pollResults
		if err := json.Unmarshal([]byte(s.receive()), &r); err != nil {
			s.p.Fatal(err)
		}
		if r.Number == number {
			return r
		}
	}
}

func TestPollTemplate(t *testing.T) {
	p := startIn(t, newProject(t, "poll"), "app.star")
	watching := []*socket{p.dial("/results"), p.dial("/results")}
	vote := func(browser *http.Client, choice string) {
		wantStatus(t, browser, "POST", p.url+"/vote", url.Values{"choice": {choice}}, 204)
	}
	ada := newBrowser(t)
	wantStatus(t, ada, "GET", p.url+"/", nil, 200)
	vote(ada, "tea")
	vote(ada, "coffee")
	const others = 20
	var voting sync.WaitGroup
	for range others {
		voting.Go(func() { vote(newBrowser(t), "juice") })
	}
	voting.Wait()
	for _, s := range watching {
		if r := s.waitForVotes(2 + others); r.Totals["tea"] != 0 || r.Totals["coffee"] != 1 || r.Totals["juice"] != others {
			t.Errorf("%+v", r)
		}
	}
	wantStatus(t, ada, "POST", p.url+"/vote", url.Values{"choice": {"milk"}}, 400)

	p.edit(`"water"]`, `"water", "milk"]`, 2)
	vote(ada, "milk")
	for _, s := range watching {
		if r := s.waitForVotes(3 + others); r.Totals["coffee"] != 0 || r.Totals["milk"] != 1 || r.Totals["juice"] != others {
			t.Errorf("%+v", r)
		}
	}
	r, err := ada.Get(p.url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	page, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	expectText(t, string(page), `value="milk" aria-pressed="true"`)
}

// TestABrowserThatVotesAtOnceHasOneVote sends the votes of one browser together.
func TestABrowserThatVotesAtOnceHasOneVote(t *testing.T) {
	p := startIn(t, newProject(t, "poll"), "app.star")
	watching := p.dial("/results")
	ada := newBrowser(t)
	wantStatus(t, ada, "GET", p.url+"/", nil, 200)
	const votes = 10
	var voting sync.WaitGroup
	for range votes {
		voting.Go(func() { wantStatus(t, ada, "POST", p.url+"/vote", url.Values{"choice": {"tea"}}, 204) })
	}
	voting.Wait()
	if r := watching.waitForVotes(votes); r.Totals["tea"] != 1 {
		t.Errorf("%+v", r)
	}
}

// TestNoJobIsLostWhenTheirChannelIsFull checks that each job in the list is counted,
// and that the others were refused.
func TestNoJobIsLostWhenTheirChannelIsFull(t *testing.T) {
	p := startIn(t, newProject(t, "jobs"), "app.star", "--channel-capacity", "jobs.primes=1")
	var accepted atomic.Int32
	var submitting sync.WaitGroup
	for range 30 {
		submitting.Go(func() {
			switch status, _ := request[any](t, http.DefaultClient, "POST", p.url+"/jobs", url.Values{"below": {"1000"}}); status {
			case 202:
				accepted.Add(1)
			case 503:
			default:
				t.Errorf("the status is %d", status)
			}
		})
	}
	submitting.Wait()
	p.eventually("all jobs are done", func() bool {
		_, jobs := request[[]struct{ State string }](t, http.DefaultClient, "GET", p.url+"/jobs", nil)
		if len(jobs) != int(accepted.Load()) {
			t.Errorf("%d jobs were accepted, and there are %d", accepted.Load(), len(jobs))
		}
		return !slices.ContainsFunc(jobs, func(job struct{ State string }) bool { return job.State != "done" })
	})
}

func TestLongpollTemplate(t *testing.T) {
	p := startIn(t, newProject(t, "longpoll"), "app.star")
	type notice struct {
		ID   int
		Text string
	}
	replies := make(chan []notice)
	wait := func(seen int) {
		_, board := request[[]notice](t, http.DefaultClient, "GET", fmt.Sprintf("%s/notices?seen=%d", p.url, seen), nil)
		replies <- board
	}
	waiting := func(n int) {
		p.eventually(fmt.Sprintf("%d requests wait", n), func() bool {
			return strings.Count(p.mustCommand("group", "list", "waiting"), ".response.") == n
		})
	}
	post := func(text string) {
		wantStatus(t, http.DefaultClient, "POST", p.url+"/notices", url.Values{"text": {text}}, 204)
	}
	go wait(0)
	go wait(0)
	waiting(2)
	post("rain")
	for range 2 {
		if board := <-replies; len(board) != 1 || board[0].Text != "rain" {
			t.Errorf("%+v", board)
		}
	}

	// The new code replies to a request from before.
	go wait(1)
	waiting(1)
	p.edit(`"text": text,`, `"text": text.upper(),`, 0)
	post("sun")
	if board := <-replies; len(board) != 2 || board[1].Text != "SUN" || board[1].ID != 2 {
		t.Errorf("%+v", board)
	}
	go wait(1)
	if board := <-replies; len(board) != 2 {
		t.Errorf("%+v", board)
	}
}

func TestSSETemplate(t *testing.T) {
	p := startIn(t, newProject(t, "sse"), "app.star")
	r, err := http.Get(p.url + "/readings")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	lines := bufio.NewScanner(r.Body)
	next := func(event string) (data string) {
		t.Helper()
		for lines.Scan() {
			if lines.Text() == "event: "+event && lines.Scan() {
				return strings.TrimPrefix(lines.Text(), "data: ")
			}
		}
		t.Fatalf("no %s: %v", event, lines.Err())
		return ""
	}
	if history := next("history"); !strings.HasPrefix(history, "[") {
		t.Errorf("the history is %s", history)
	}
	reading := func() (reading struct{ ID, Tenths int }) {
		t.Helper()
		if err := json.Unmarshal([]byte(next("reading")), &reading); err != nil {
			t.Fatal(err)
		}
		return reading
	}
	first := reading()
	if first.Tenths < 190 || first.Tenths > 210 {
		t.Errorf("%+v", first)
	}
	p.edit("random.randint(-3, 3)", "1000", 0)
	for last := first; last.Tenths != 300; {
		now := reading()
		if now.ID != last.ID+1 {
			t.Fatalf("%+v after %+v", now, last)
		}
		last = now
	}
}

func TestAPITemplate(t *testing.T) {
	p := startIn(t, newProject(t, "api"), "app.star")
	type note struct {
		ID   int
		Text string
	}
	type user struct{ User string }
	ada, ben := newBrowser(t), newBrowser(t)
	login := map[string]string{"name": "ada", "password": "long enough"}
	wrong := map[string]string{"name": "ada", "password": "wrong password"}

	wantStatus(t, ada, "GET", p.url+"/notes", nil, 401)
	wantStatus(t, ada, "POST", p.url+"/users", login, 200)
	wantStatus(t, ben, "POST", p.url+"/users", wrong, 409)
	wantStatus(t, ben, "POST", p.url+"/session", wrong, 403)
	wantStatus(t, ada, "POST", p.url+"/notes", map[string]string{"text": "tea"}, 201)

	// The session goes on with the new code.
	p.edit(`text_of(request, "text").strip()`, `text_of(request, "text").strip().upper()`, 0)
	status, added := request[note](t, ada, "POST", p.url+"/notes", map[string]string{"text": "cake"})
	if status != 201 || added.Text != "CAKE" {
		t.Errorf("%d %+v", status, added)
	}
	wantStatus(t, ada, "DELETE", fmt.Sprintf("%s/notes/%d", p.url, added.ID), nil, 204)
	if _, notes := request[[]note](t, ada, "GET", p.url+"/notes", nil); len(notes) != 1 || notes[0].Text != "tea" {
		t.Errorf("%+v", notes)
	}
	wantStatus(t, ada, "DELETE", p.url+"/session", nil, 204)
	wantStatus(t, ada, "GET", p.url+"/notes", nil, 401)
	if _, u := request[user](t, ada, "POST", p.url+"/session", login); u.User != "ada" {
		t.Errorf("%+v", u)
	}
	wantStatus(t, ada, "GET", p.url+"/notes", nil, 200)
}

// pictures takes screenshots of a page, wide and narrow, light and dark, and checks
// that it does not need to be scrolled sideways.
func (b *tab) pictures(name string) {
	b.Helper()
	for _, width := range []int64{1280, 400} {
		b.do(chromedp.EmulateViewport(width, 800))
		for _, scheme := range []string{"light", "dark"} {
			b.setMedia("prefers-color-scheme", scheme)
			b.check(fmt.Sprintf("%s fits into %d pixels", name, width), `document.documentElement.scrollWidth <= innerWidth`)
			b.screenshot(fmt.Sprintf("%s-%d-%s", name, width, scheme))
		}
	}
	b.setMedia("prefers-color-scheme", "light")
}

func TestHelloTemplateInABrowser(t *testing.T) {
	b := browser(t)(t)
	p := startIn(t, newProject(t, "hello"), "app.star")
	b.do(chromedp.Navigate(p.url), chromedp.SendKeys(chromedp.CSS(`input`), "Ada\r"))
	b.waitForTextAcrossReloads("Hello, Ada!")
	b.pictures("hello")
}

func TestPollTemplateInABrowser(t *testing.T) {
	open := browser(t)
	p := startIn(t, newProject(t, "poll"), "app.star")
	ada, ben := open(t), open(t)
	for _, b := range []*tab{ada, ben} {
		b.do(chromedp.Navigate(p.url))
		b.waitForText("live")
	}
	ada.click(`button[value=tea]`)
	ben.waitForText("1 vote")
	ben.click(`button[value=tea]`)
	ada.waitForText("2 votes")
	ada.click(`button[value=coffee]`)
	ada.until(`document.querySelector("button[value=coffee] .votes").textContent === "1"`)
	ada.until(`document.querySelector("[aria-pressed=true]").value === "coffee"`)
	ada.pictures("poll")
	ada.do(chromedp.Navigate(p.url))
	ada.until(`document.querySelector("[aria-pressed=true]")?.value === "coffee"`)
}

func TestLongpollTemplateInABrowser(t *testing.T) {
	open := browser(t)
	p := startIn(t, newProject(t, "longpoll"), "app.star")
	ada, ben := open(t), open(t)
	for _, b := range []*tab{ada, ben} {
		b.do(chromedp.Navigate(p.url))
		b.waitForText("No notices yet.")
	}
	ada.pictures("longpoll-empty")
	for _, text := range []string{"Rain in the afternoon", "The <b>lift</b> works again", "Lunch is at noon in the garden. Please bring a chair, because there are never enough of them."} {
		ada.do(chromedp.SendKeys(chromedp.CSS(`#post input`), text+"\r"))
		ben.waitForText(text)
		ada.until(`document.querySelector("#post input").value === ""`)
	}
	ada.pictures("longpoll")
}

func TestSSETemplateInABrowser(t *testing.T) {
	b := browser(t)(t)
	p := startIn(t, newProject(t, "sse"), "app.star")
	b.do(chromedp.Navigate(p.url))
	b.waitForText("live")
	b.until(`document.querySelector("#line").getAttribute("d")?.includes("L")`)
	b.pictures("sse")
}

func TestAPITemplateInABrowser(t *testing.T) {
	b := browser(t)(t)
	p := startIn(t, newProject(t, "api"), "app.star")
	b.do(chromedp.Navigate(p.url), chromedp.WaitVisible(chromedp.CSS(`#enter`)))
	b.pictures("api-login")
	b.typeInto(`[name=name]`, "ada")
	b.typeInto(`[name=password]`, "long enough")
	b.clickButton("Log in")
	b.waitForText("wrong name or password")
	b.clickButton("Register")
	b.waitForText("No notes yet.")
	for _, text := range []string{"Buy tea", "Is <b>this</b> drawn as text?"} {
		b.do(chromedp.SendKeys(chromedp.CSS(`#add input`), text+"\r"))
		b.waitForText(text)
		b.until(`document.querySelector("#add input").value === ""`)
	}
	b.pictures("api")
	b.click(`#notes li:last-child button`)
	b.until(`document.querySelectorAll("#notes li").length === 1`)
	b.click(`#leave`)
	b.do(chromedp.WaitVisible(chromedp.CSS(`#enter`)))
}
