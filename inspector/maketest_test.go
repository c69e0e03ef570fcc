package inspector

import (
	"strings"
	"testing"

	"asgibox/asgi"
	"asgibox/asgi/remote"
	"asgibox/inspector/api"
	"asgibox/store"
)

// TestChainsAreMadeIntoATest selects one message of a WebSocket. The test begins
// with the handshakes of all WebSockets that the message reached.
func TestChainsAreMadeIntoATest(t *testing.T) {
	b := newBench(t, nil)
	unbind, err := b.store.Bind("web!", func(asgi.Delivery) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer unbind()
	send := func(trace int, channel, reply string, fields ...asgi.Field) {
		t.Helper()
		if reply != "" {
			fields = append(fields, asgi.Field{Key: "reply_channel", Value: reply})
		}
		if err := b.store.Send(t.Context(), asgi.NewCause(asgi.TraceID(trace)), channel, asgi.MustMessage(fields...)); err != nil {
			t.Fatal(err)
		}
	}
	for i, name := range []string{"web!a", "web!b", "web!c"} {
		send(i+1, "websocket.connect", name, asgi.Field{Key: "path", Value: "/" + name[4:]})
		send(i+1, name, "", asgi.Field{Key: "accept", Value: true})
	}
	for i, text := range []string{"one", "two"} {
		send(i+4, "websocket.receive", "web!a", asgi.Field{Key: "path", Value: "/a"}, asgi.Field{Key: "text", Value: text})
		if err := b.store.Set(t.Context(), asgi.NewCause(asgi.TraceID(i+4)), "state/last", text, 0); err != nil {
			t.Fatal(err)
		}
		send(i+4, "web!b", "", asgi.Field{Key: "text", Value: "said " + text})
	}
	var got api.Test
	b.mustCall("/api/test", object{"traces": []string{"0000000000000005"}}, &got)
	want := `# Recorded with asgibox.

def test_a(client):
    socket = client.websocket("/a")
    socket_2 = client.websocket("/b")
    socket.send("two")
    assert_equal(socket_2.receive(), "said two")
`
	if got.Text != want || got.Tests != 1 || len(got.Gaps) != 0 {
		t.Errorf("%+v, want\n%s", got, want)
	}

	big := strings.Repeat("x", maxAccessBytes/8)
	var uses []store.Access
	for range 10 {
		uses = append(uses, store.Access{Trace: 5, Key: "state/big", Before: big, After: big, Read: true, Size: len(big)})
	}
	b.server.history.addAccesses(uses, false)
	if b.server.history.accessBytes > maxAccessBytes {
		t.Errorf("the history holds %d bytes of values", b.server.history.accessBytes)
	}
	b.mustCall("/api/test", object{"filter": "path:/a"}, &got)
	if len(got.Gaps) != 1 || !strings.Contains(got.Gaps[0], "2 of the chains read") || !strings.Contains(got.Text, `socket.send("one")`) {
		t.Errorf("%q %.300s", got.Gaps, got.Text)
	}
	for want, args := range map[string]object{
		"must be a list":              {"traces": "5"},
		"hexadecimal":                 {"traces": []string{"x"}},
		"no request and no WebSocket": {"traces": []string{}},
		"unknown key":                 {"filter": "a:b"},
	} {
		var refusal remote.Error
		if status := b.call("/api/test", args, &refusal); status < 400 || !strings.Contains(refusal.Detail, want) {
			t.Errorf("%v: %d %s, want %s", args, status, refusal.Detail, want)
		}
	}
}
