package inspector

import (
	"testing"

	"asgibox/asgi"
	"asgibox/asgi/codec"
	"asgibox/store"
)

func TestFiltersSelectMessages(t *testing.T) {
	e := &entry{
		trace: 0xc0ffee0000000001, channel: "websocket.receive", group: "chat-1", kind: store.Taken, taker: 4,
		content: codec.Append(nil, asgi.MustMessage(
			asgi.Field{Key: "text", Value: "Hello You"},
			asgi.Field{Key: "list", Value: []any{asgi.Bytes("inside"), 42}},
		)),
		reply: "web!abc",
		chain: &chain{path: "/chat/room/"},
	}
	for text, want := range map[string]bool{
		"":                             true,
		"hello":                        true,
		"bye":                          false,
		`text:"hello you"`:             true,
		`"hello you"`:                  true,
		"text:receive":                 false,
		"receive":                      true,
		"inside 42":                    true,
		"channel:websocket.*":          true,
		"channel:http.*,websocket.*":   true,
		"channel:websocket":            false,
		"-channel:http.*":              true,
		"-hello":                       false,
		"path:/chat/*":                 true,
		"path:/chat":                   false,
		"kind:taken":                   true,
		"kind:sent":                    false,
		"group:chat-*":                 true,
		"trace:c0ffee":                 true,
		"trace:beef":                   false,
		"reply:web!abc":                true,
		"reply:web!x":                  false,
		"gen:4 kind:taken":             true,
		"gen:4 kind:refused":           false,
		"http://x":                     false, // text before a colon must be a key
		"channel:*receive text:hello":  true,
		"channel:*receive -text:hello": false,
	} {
		f, err := parseFilter(text)
		if text == "http://x" {
			if err == nil {
				t.Errorf("%q: no error", text)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if got := f.accepts(e); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestBadFiltersAreRefused(t *testing.T) {
	for _, text := range []string{"chanel:x", `text:"open`, "kind:bogus", "kind:sent,drop", "gen:x", "trace:xyz", "trace:00000000000000000"} {
		if _, err := parseFilter(text); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}
