package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// chatEvent is any event of the chat.
type chatEvent struct {
	Event string
	Who   string
	Text  string
	Here  struct{ Names []string }
	Said  []chatEvent
}

// waitForEvent reads events until one has that kind.
func (s *socket) waitForEvent(kind string) chatEvent {
	s.p.Helper()
	for {
		var e chatEvent
		if err := json.Unmarshal([]byte(s.receive()), &e); err != nil {
			s.p.Fatal(err)
		}
		if e.Event == kind {
			return e
		}
	}
}

func TestHelloExampleIsTheFourLines(t *testing.T) {
	const want = `while True:
    _, request = layer.receive_many("http.request", block=True)
    response = {"content": "Hello World!", "status": 200}
    layer.send(request['reply_channel'], response)
`
	if got, err := os.ReadFile("../../examples/hello.star"); err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestChatExample(t *testing.T) {
	dir := newProject(t, "chat")
	p := startIn(t, dir, "app.star")
	for path, want := range map[string]string{
		"/":                "# lobby",
		"/rooms/kitchen":   "# kitchen",
		"/static/chat.js":  "new WebSocket",
		"/static/chat.css": "prefers-color-scheme: dark",
	} {
		if status, body := p.get(path); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}

	ada := p.dial("/chat/lobby/Ada")
	if e := ada.waitForEvent("welcome"); len(e.Here.Names) != 1 || len(e.Said) != 0 {
		t.Errorf("%+v", e)
	}
	ben := p.dial("/chat/lobby/Ben")
	if e := ben.waitForEvent("welcome"); strings.Join(e.Here.Names, " ") != "Ada Ben" {
		t.Errorf("%+v", e)
	}
	if e := ada.waitForEvent("joined"); e.Who != "Ben" {
		t.Errorf("%+v", e)
	}
	cy := p.dial("/chat/kitchen/Cy")
	cy.waitForEvent("welcome")
	cy.send("is anybody here?") // not sent to the lobby
	ben.send("hello <b>all</b>")
	for _, s := range []*socket{ada, ben} {
		if e := s.waitForEvent("said"); e.Who != "Ben" || e.Text != "hello <b>all</b>" {
			t.Errorf("%+v", e)
		}
	}
	var rooms []struct {
		Room string
		Here int
	}
	_, body := p.get("/rooms")
	if err := json.Unmarshal([]byte(body), &rooms); err != nil || len(rooms) != 2 || rooms[1].Room != "lobby" || rooms[1].Here != 2 {
		t.Errorf("%v %s", err, body)
	}

	// A changed file handles the next message of every connection.
	p.edit(`"text": text,`, `"text": text.upper(),`, 3)
	ada.send("louder")
	if e := ben.waitForEvent("said"); e.Text != "LOUDER" {
		t.Errorf("%+v", e)
	}

	if err := ben.c.Close(1000, ""); err != nil {
		t.Fatal(err)
	}
	if e := ada.waitForEvent("left"); e.Who != "Ben" || strings.Join(e.Here.Names, " ") != "Ada" {
		t.Errorf("%+v", e)
	}

	// The history is stored, the list of users is not.
	for _, s := range []*socket{ada, cy} {
		s.c.CloseNow()
	}
	p.stop()
	p = startIn(t, dir, "app.star")
	if e := p.dial("/chat/lobby/Ada").waitForEvent("welcome"); len(e.Said) != 2 || len(e.Here.Names) != 1 {
		t.Errorf("%+v", e)
	}
}

func TestJobsExample(t *testing.T) {
	p := startIn(t, newProject(t, "jobs"), "app.star")
	for _, path := range []string{"/", "/static/jobs.js", "/static/jobs.css"} {
		if status, body := p.get(path); status != 200 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	type job struct {
		ID           string
		State        string
		Slice, Found int
	}
	s := p.dial("/progress")
	post := func(below string) (int, job) {
		return request[job](t, http.DefaultClient, "POST", p.url+"/jobs", url.Values{"below": {below}})
	}
	if status, _ := post("many"); status != 400 {
		t.Errorf("an invalid number returns %d", status)
	}
	status, queued := post("1000")
	if status != 202 || queued.State != "queued" {
		t.Fatalf("%d %+v", status, queued)
	}
	var last job
	for slices := 0; last.State != "done"; slices++ {
		if err := json.Unmarshal([]byte(s.receive()), &last); err != nil {
			t.Fatal(err)
		}
		if last.ID != queued.ID || last.Slice != slices {
			t.Fatalf("out of order: %+v", last)
		}
	}
	if last.Found != 168 {
		t.Errorf("there are %d primes below 1000", last.Found)
	}
	wantStatus(t, http.DefaultClient, "DELETE", p.url+"/jobs/"+last.ID, nil, 204)
	if _, body := p.get("/jobs"); body != "[]" {
		t.Error(body)
	}

	// The new code does the next job.
	p.edit("SLICES = 20", "SLICES = 1", 1)
	if _, queued := post("1000"); queued.State != "queued" {
		t.Errorf("%+v", queued)
	}
	for _, state := range []string{"deleted", "queued", "done"} {
		if err := json.Unmarshal([]byte(s.receive()), &last); err != nil || last.State != state {
			t.Errorf("%v: %+v", err, last)
		}
	}
}

func TestJobsExampleGoesOnAfterKill9(t *testing.T) {
	type job struct {
		State string
		Found int
	}
	app := filepath.Join(newProject(t, "jobs"), "app.star")
	p := startProcess(t, app)
	jobs := func(state string) int {
		_, all := request[[]job](t, http.DefaultClient, "GET", p.url+"/jobs", nil)
		return len(slices.DeleteFunc(all, func(j job) bool { return j.State != state }))
	}
	const queued = 4 // two run at a time
	for range queued {
		wantStatus(t, http.DefaultClient, "POST", p.url+"/jobs", url.Values{"below": {"30000"}}, 202)
	}
	p.eventually("a job runs", func() bool { return jobs("running") > 0 })
	p.kill()

	p = startProcess(t, app)
	p.eventually("all jobs are done", func() bool { return jobs("done") == queued })
	_, all := request[[]job](t, http.DefaultClient, "GET", p.url+"/jobs", nil)
	for _, j := range all {
		if j.Found != 3245 {
			t.Errorf("%+v", j)
		}
	}
}

func (b *tab) enterChat(url, name string) {
	b.Helper()
	b.do(
		chromedp.Navigate(url),
		chromedp.WaitVisible(chromedp.CSS(`#hello input`)),
		chromedp.SendKeys(chromedp.CSS(`#hello input`), name+"\r"),
		chromedp.WaitEnabled(chromedp.CSS(`#say input`)),
	)
}

func (b *tab) say(text string) {
	b.Helper()
	b.do(chromedp.SendKeys(chromedp.CSS(`#say input`), text+"\r"))
}

func TestChatExampleInTwoBrowsers(t *testing.T) {
	open := browser(t)
	p := startIn(t, newProject(t, "chat"), "app.star")

	ada, ben := open(t), open(t)
	ada.enterChat(p.url, "Ada")
	ben.enterChat(p.url, "Ben")
	ada.waitForText("Ben joined")
	ada.say("Good morning, Ben.")
	ben.waitForText("Good morning, Ben.")
	ben.say("Morning! Is <b>this</b> drawn as text?")
	ada.waitForText("Is <b>this</b> drawn as text?")

	// If a socket closed, its page would connect again and remove the mark.
	for _, b := range []*tab{ada, ben} {
		b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#log").append(Object.assign(document.createElement("li"), {id: "mark"}))`))
	}
	p.edit(`"text": text,`, `"text": text + " (from the new code)",`, 2)
	ada.say("And now?")
	ben.waitForText("And now? (from the new code)")
	for _, b := range []*tab{ada, ben} {
		b.until(`document.querySelector("#mark") !== null`)
	}
	ada.pictures("chat")
	ben.do(chromedp.Navigate("about:blank"))
	p.waitFor(`WebSocket /chat/lobby/Ben closed`)
	ada.waitForText("Ben left")
}

func TestJobsExampleInABrowser(t *testing.T) {
	b := browser(t)(t)
	p := startIn(t, newProject(t, "jobs"), "app.star")
	b.do(chromedp.Navigate(p.url))
	b.waitForText("listening")
	b.do(chromedp.SetValue(chromedp.CSS(`input[name=below]`), "1000"), chromedp.Click(chromedp.CSS(`#ask button`)))
	b.until(`document.querySelector("li.done b")?.textContent === "168"`)
	b.do(chromedp.SetValue(chromedp.CSS(`input[name=below]`), "20000"), chromedp.Click(chromedp.CSS(`#five`)))
	b.until(`document.querySelectorAll("li.done").length === 6`)
	b.pictures("jobs")
}
