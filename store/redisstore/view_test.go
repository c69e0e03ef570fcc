package redisstore

import (
	"errors"
	"testing"
	"time"

	"asgibox/asgi"
	"asgibox/store"
)

func TestAViewShowsChannelsGroupsAndMessages(t *testing.T) {
	needServer(t)
	l := open(t, startServer(t), Options{Capacity: 7})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		must(l.Send(t.Context(), nil, "jobs", numbered(i)))
	}
	must(l.Send(t.Context(), nil, "other!a", numbered(8)))
	must(l.Send(t.Context(), nil, "other!b", numbered(9)))
	must(l.Send(t.Context(), nil, "empty", numbered(0)))
	if _, _, err := l.Poll(t.Context(), nil, "empty"); err != nil {
		t.Fatal(err)
	}
	must(l.SendLater(t.Context(), nil, time.Now().Add(time.Hour), "jobs", numbered(0)))
	for _, channel := range []string{"jobs", "other!a"} {
		must(l.GroupAdd(t.Context(), nil, "room", channel))
	}
	must(l.GroupAdd(t.Context(), nil, "hall", "jobs"))

	v := l.View()
	channels, all := v.Channels(2, nil)
	if all < 3 || len(channels) != 2 || channels[0].Name != "jobs" || channels[1].Name != "other!" {
		t.Fatalf("%d channels, first %+v", all, channels)
	}
	if c := channels[0]; c.Depth != 3 || c.Capacity != 7 || c.Sent != 3 || c.Kind != asgi.Normal || c.Readers != -1 {
		t.Errorf("%+v", c)
	}
	if found, _ := v.Channels(9, func(name string) bool { return name == "empty" }); len(found) != 1 || found[0].Depth != 0 || found[0].Sent != 1 {
		t.Errorf("the empty channel: %+v", found)
	}
	if groups, all := v.Groups(1, nil); all != 2 || groups[0] != (store.GroupView{Name: "room", Members: 2}) {
		t.Errorf("groups: %+v of %d", groups, all)
	}
	members, all := v.Members("room", 1)
	if all != 2 || members[0].Channel != "jobs" || time.Until(members[0].Expires) < 23*time.Hour {
		t.Errorf("members: %+v of %d", members, all)
	}
	if totals := v.Totals(); totals.MessagesCount < 6 || totals.MessagesPending != 5 || totals.Delayed != 1 || totals.Groups != 2 {
		t.Errorf("%+v", totals)
	}

	for channel, want := range map[string][]int64{"jobs": {0, 1, 2}, "other!": {8, 9}, "other!b": {9}, "nothing": nil} {
		var got []int64
		found, err := v.Peek(channel, 10)
		must(err)
		for _, m := range found {
			got = append(got, m.Message.Int("n"))
		}
		if len(got) != len(want) || len(got) > 0 && (got[0] != want[0] || got[len(got)-1] != want[len(want)-1]) {
			t.Errorf("%s: %v, want %v", channel, got, want)
		}
	}
	if _, err := v.Peek("a b", 1); !errors.Is(err, asgi.ErrInvalidName) {
		t.Errorf("err = %v", err)
	}
	if d, ok, err := l.Poll(t.Context(), nil, "jobs"); !ok || err != nil || d.Message.Int("n") != 0 {
		t.Errorf("after looking: %v %v", ok, err)
	}
}

// TestAViewOutlivesAnOutage checks that pages show what was read last.
func TestAViewOutlivesAnOutage(t *testing.T) {
	needServer(t)
	s := startServer(t)
	l := open(t, s, Options{})
	if err := l.Send(t.Context(), nil, "jobs", numbered(1)); err != nil {
		t.Fatal(err)
	}
	v := l.View()
	v.Totals()
	s.kill()
	v.read = time.Time{} // it must be read again
	if channels, all := v.Channels(9, nil); all == 0 || channels[0].Name != "jobs" {
		t.Errorf("%+v", channels)
	}
}
