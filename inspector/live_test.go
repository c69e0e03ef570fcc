package inspector

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/inspector/api"
	"asgibox/store"
)

// frameOf returns the next frame of a viewer, with its lists.
func (b *bench) frameOf(v *viewer) (f frame) {
	b.Helper()
	v.slow = time.Time{}
	data, err := b.server.frame(v, time.Now())
	if err == nil {
		err = json.Unmarshal(data, &f)
	}
	if err != nil {
		b.Fatal(err)
	}
	return f
}

func TestFlowShowsTheChannelsOfTheProtocolServer(t *testing.T) {
	b := newBench(t, nil)
	send := func(channel string) {
		t.Helper()
		if err := b.store.Send(t.Context(), asgi.NewCause(0), channel, text("x")); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 40 {
		send(fmt.Sprintf("jobs.%d", i))
		send(fmt.Sprintf("jobs.%d", i))
		send(fmt.Sprintf("http.request.body?%d", i))
		send(fmt.Sprintf("http.request.body?%d", i))
	}
	send("http.request")
	send("web.response.x!y")
	b.mustCall("/api/channel/pause", object{"channel": "jobs.39"}, nil)
	f := b.frameOf(&viewer{view: "flow"})
	names := make(map[string]bool)
	for _, c := range f.Channels {
		names[c.Name] = true
	}
	if !names["http.request"] || !names["web.response.x!"] || !names["jobs.39"] || len(names) > 32 {
		t.Errorf("Flow shows %v", names)
	}
}

// twoMachines are this process and another one.
type twoMachines struct{}

func (twoMachines) Machines() []api.Machine {
	return []api.Machine{{Name: "here", Self: true}, {Name: "there", PID: 7, Workers: 16}}
}

func TestFlowShowsWhoReadsAndWhere(t *testing.T) {
	for _, address := range []string{"", "127.0.0.1:9000"} {
		b := newBench(t, func(o *Options) {
			o.UDP, o.Machines = address, twoMachines{}
			o.Readers = func() []remote.Reader {
				return []remote.Reader{{Host: "10.0.0.2", Agent: "a worker", Channels: []string{"jobs"}, Waiting: 1}}
			}
		})
		b.mustCall("/api/send", object{"channel": "mail", "message": object{}}, nil)
		if _, _, err := b.store.Poll(t.Context(), nil, "jobs"); err != nil {
			t.Fatal(err)
		}
		b.mustCall("/api/send", object{"channel": "jobs", "message": object{}}, nil)
		if _, ok, err := b.store.Poll(t.Context(), nil, "jobs"); !ok || err != nil {
			t.Fatal(ok, err)
		}
		f := b.frameOf(&viewer{view: "flow"})
		unread := map[string]bool{}
		for _, c := range f.Channels {
			unread[c.Name] = c.Unread
		}
		if !unread["mail"] || unread["jobs"] {
			t.Errorf("unread: %v", unread)
		}
		if _, shown := unread["udp.receive"]; shown != (address != "") || f.Status.UDP != address {
			t.Errorf("with --udp %q: %v, %q", address, unread, f.Status.UDP)
		}
		if len(f.Remotes) != 1 || f.Remotes[0].Host != "10.0.0.2" || len(f.Machines) != 2 || f.Machines[1].Name != "there" {
			t.Errorf("%+v, %+v", f.Remotes, f.Machines)
		}
	}
}

func TestFlowShowsTheMessagesOfTheOpenedChannel(t *testing.T) {
	b := newBench(t, nil)
	b.mustCall("/api/send", object{"channel": "jobs", "message": object{"text": "first"}}, nil)
	if f := b.frameOf(&viewer{view: "flow"}); f.Waiting != nil {
		t.Errorf("no channel is opened, but %v is shown", f.Waiting)
	}
	v := &viewer{view: "flow", name: "jobs"}
	previews := func() (previews []string) {
		var messages []api.QueuedMessage
		if f := b.frameOf(v); f.Waiting == nil {
			return nil
		} else if err := json.Unmarshal(f.Waiting, &messages); err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			previews = append(previews, m.Preview)
		}
		return previews
	}
	if got := previews(); !slices.Equal(got, []string{"first"}) {
		t.Errorf("waiting: %q", got)
	}
	if got := previews(); got != nil {
		t.Errorf("the messages that wait come again: %q", got)
	}
	for range 3 {
		b.mustCall("/api/send", object{"channel": "jobs", "message": object{"text": strings.Repeat("x", maxQueued/2)}}, nil)
	}
	if got := previews(); len(got) != 3 || got[0] != "first" {
		t.Errorf("waiting, in a frame of about %d bytes: %.20q", maxQueued, got)
	}
}

func TestFramesCountMessagesAndNameWorkers(t *testing.T) {
	b := newBench(t, nil)
	v := &viewer{view: "flow", first: true}
	b.frameOf(v)
	at := time.Now()
	b.server.history.add([]store.Event{
		{ID: 1, Kind: store.Sent, Channel: "http.request", At: at, Message: text("in")},
		{ID: 2, Kind: store.Sent, Channel: "web!a", Group: "room", Generation: 3, At: at, Message: text("out")},
		{ID: 3, Kind: store.Sent, Channel: "web!b", Group: "room", Generation: 3, At: at, Message: text("out")},
	}, 0, batch{spans: []Span{{ID: 1, Worker: 7, Handler: "page (app.star:1)"}}})
	f := b.frameOf(v)
	want := map[pulse]bool{
		{Channel: "http.request", Kind: "sent", N: 1}:                      true,
		{Channel: "web!", Group: "room", Kind: "sent", Worker: true, N: 2}: true,
	}
	if len(f.Pulses) != 2 || !want[f.Pulses[0]] || !want[f.Pulses[1]] {
		t.Errorf("pulses: %+v", f.Pulses)
	}
	if len(f.Handled) != 1 || f.Handled[0] != (handled{7, "page (app.star:1)"}) {
		t.Errorf("handled: %+v", f.Handled)
	}
	if f := b.frameOf(v); f.Pulses != nil || f.Handled != nil {
		t.Errorf("again: %+v %+v", f.Pulses, f.Handled)
	}
}

func TestListsShowItemsWithATextInTheirName(t *testing.T) {
	b := newBench(t, nil)
	for _, name := range []string{"jobs.mail", "jobs.sums", "mailing"} {
		b.mustCall("/api/send", object{"channel": name, "message": object{"n": 1}}, nil)
		b.mustCall("/api/group/add", object{"group": name, "channel": "log"}, nil)
	}
	if f := b.frameOf(&viewer{view: "channels", text: "mail"}); f.All != 2 || len(f.Channels) != 2 {
		t.Errorf("%d channels: %v", f.All, f.Channels)
	}
	if f := b.frameOf(&viewer{view: "groups", text: "jobs"}); f.All != 2 || len(f.Groups) != 2 {
		t.Errorf("%d groups: %v", f.All, f.Groups)
	}
	if f := b.frameOf(&viewer{view: "groups"}); f.All != 3 {
		t.Errorf("%d groups in all", f.All)
	}
}
