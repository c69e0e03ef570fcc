package process_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// An event is what a socket of an example gets.
type event map[string]any

// event returns the next event that has the value for the key.
func (s *socket) event(key string, value any) event {
	s.t.Helper()
	for {
		var e event
		if err := json.Unmarshal([]byte(s.read()), &e); err != nil {
			s.t.Fatal(err)
		}
		if e[key] == value {
			return e
		}
	}
}

// names returns the people in an event of the chat.
func (e event) names() (names []string) {
	for _, name := range e["here"].(map[string]any)["names"].([]any) {
		names = append(names, name.(string))
	}
	return names
}

func TestTheChatInPython(t *testing.T) {
	s := setup{app: "../../examples/chat/chat.py"}.serve(t, "")
	s.want("/", 200, "# lobby", "/static/chat.js")
	s.want("/rooms/blue", 200, "# blue")
	s.want("/rooms/%3Cb%3E", 404)
	s.want("/rooms/%C3%BC", 404)
	s.want("/static/chat.js", 200)
	ada := s.dial("/chat/lobby/Ada")
	ada.event("event", "welcome")
	ben := s.dial("/chat/lobby/Ben")
	if names := ben.event("event", "welcome").names(); !slices.Equal(names, []string{"Ada", "Ben"}) {
		t.Errorf("%v are here", names)
	}
	kitchen := s.dial("/chat/kitchen/Cy")
	kitchen.event("event", "welcome")
	ben.send(" hello ")
	ben.send("")
	for _, ws := range []*socket{ada, ben} {
		if e := ws.event("event", "said"); e["who"] != "Ben" || e["text"] != "hello" {
			t.Errorf("%v", e)
		}
	}
	s.want("/rooms", 200, `[{"room":"kitchen","here":1},{"room":"lobby","here":2}]`)
	ben.conn.Close(1000, "")
	if names := ada.event("event", "left").names(); !slices.Equal(names, []string{"Ada"}) {
		t.Errorf("%v are here", names)
	}
	late := s.dial("/chat/lobby/Dan").event("event", "welcome")
	if said := late["said"].([]any); len(said) != 1 || said[0].(map[string]any)["text"] != "hello" {
		t.Errorf("the history is %v", said)
	}
}

func TestTheJobsInPython(t *testing.T) {
	s := setup{app: "../../examples/jobs/jobs.py"}.serve(t, "")
	s.want("/", 200, "<html")
	ws := s.dial("/progress")
	submit := func(below string) reply {
		return s.do("POST", "/jobs", url.Values{"below": {below}}.Encode(), "content-type", "application/x-www-form-urlencoded")
	}
	if r := submit("ten"); r.status != 400 {
		t.Errorf("%v", r)
	}
	r := submit("1000")
	var job event
	if err := json.Unmarshal([]byte(r.body), &job); err != nil || r.status != 202 {
		t.Fatal(r, err)
	}
	if done := ws.event("state", "done"); done["id"] != job["id"] || done["found"] != 168.0 {
		t.Errorf("%v", done)
	}
	s.want("/jobs", 200, `"state":"done"`, `"found":168`)
	if r := s.do("DELETE", "/jobs/"+job["id"].(string), ""); r.status != 204 {
		t.Errorf("%v", r)
	}
	s.want("/jobs", 200, "[]")

	// A job that was not done when the server was killed goes on.
	if r := submit("100000"); r.status != 202 {
		t.Fatal(r)
	}
	ws.event("state", "running")
	pids := s.loader.Processes()
	if len(pids) == 0 {
		t.Fatal("no process runs")
	}
	if r := s.get("/jobs"); !strings.Contains(r.body, `"below":100000`) {
		t.Errorf("%v", r)
	}
	ws.event("state", "done")
}
