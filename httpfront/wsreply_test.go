package httpfront

import (
	"strings"
	"testing"
	"testing/synctest"

	"asgibox/asgi"
)

// An outcome is the expected effect of a reply to a waiting handshake.
type outcome struct {
	status int // 403 or another refusal; 101; 0 if ignored and logged
	frames []frame
	close  int // close code sent by the server
	logged string
}

// TestReplyToWaitingHandshake tests the left column of the specification's table.
func TestReplyToWaitingHandshake(t *testing.T) {
	b := func(s string) []byte { return []byte(s) }
	for _, c := range []struct {
		name  string
		reply msg
		want  outcome
	}{
		{"accept", msg{"accept": true}, outcome{status: 101}},
		{"accept with text", msg{"accept": true, "text": "hi"}, outcome{status: 101, frames: []frame{text("hi")}}},
		{"accept with bytes", msg{"accept": true, "bytes": b("hi")}, outcome{status: 101, frames: []frame{binaryFrame("hi")}}},
		{"accept with empty data", msg{"accept": true, "text": ""}, outcome{status: 101}},
		{"accept False", msg{"accept": false}, outcome{status: 403}},
		{"accept False with text", msg{"accept": false, "text": "hi"}, outcome{status: 403}},
		{"accept False with everything wrong", msg{"accept": false, "text": 1, "bytes": b("x"), "close": 99, "what": "ever"}, outcome{status: 403}},
		{"text", msg{"text": "hi"}, outcome{status: 101, frames: []frame{text("hi")}}},
		{"bytes", msg{"bytes": b("\xff")}, outcome{status: 101, frames: []frame{binaryFrame("\xff")}}},
		{"bytes as text", msg{"bytes": "é"}, outcome{status: 101, frames: []frame{binaryFrame("é")}}},
		{"text, bytes None", msg{"text": "hi", "bytes": nil}, outcome{status: 101, frames: []frame{text("hi")}}},
		{"empty text", msg{"text": ""}, outcome{logged: "neither accepts nor closes"}},
		{"empty bytes", msg{"bytes": b("")}, outcome{logged: "neither accepts nor closes"}},
		{"nothing", msg{}, outcome{logged: "neither accepts nor closes"}},
		{"accept None", msg{"accept": nil}, outcome{logged: "neither accepts nor closes"}},
		{"close", msg{"close": true}, outcome{status: 403}},
		{"close with a code", msg{"close": 4001}, outcome{status: 403}},
		{"close with empty text", msg{"close": true, "text": ""}, outcome{status: 403}},
		{"close False", msg{"close": false}, outcome{logged: "neither accepts nor closes"}},
		{"close 0", msg{"close": 0}, outcome{logged: "neither accepts nor closes"}},
		{"close with text", msg{"text": "bye", "close": true}, outcome{status: 101, frames: []frame{text("bye")}, close: 1000}},
		{"close with a code and text", msg{"text": "bye", "close": 4002}, outcome{status: 101, frames: []frame{text("bye")}, close: 4002}},
		{"text and bytes", msg{"text": "a", "bytes": b("b")}, outcome{logged: "text and bytes are both present"}},
		{"text and bytes, both empty", msg{"text": "", "bytes": b("")}, outcome{logged: "text and bytes are both present"}},
		{"accept with text and bytes", msg{"accept": true, "text": "a", "bytes": b("b")}, outcome{logged: "text and bytes are both present"}},
		{"accept with close", msg{"accept": true, "close": true}, outcome{status: 101, close: 1000}},
		{"accept with a code", msg{"accept": true, "close": 3000}, outcome{status: 101, close: 3000}},
		{"unknown key", msg{"accept": true, "txt": "a"}, outcome{logged: "key=txt"}},
		{"accept of a wrong type", msg{"accept": 1}, outcome{logged: "key=accept"}},
		{"text of a wrong type", msg{"text": b("a")}, outcome{logged: "not a byte string"}},
		{"bytes of a wrong type", msg{"bytes": 1}, outcome{logged: "key=bytes"}},
		{"close of a wrong type", msg{"close": "x"}, outcome{logged: "key=close"}},
		{"a code that may not be sent", msg{"accept": true, "close": 1005}, outcome{logged: "1005 is not a valid close code"}},
		{"a code that may not be sent, with text", msg{"text": "a", "close": 999}, outcome{logged: "999 is not a valid close code"}},
		{"a negative code", msg{"close": -1}, outcome{logged: "-1 is not a valid close code"}},
		{"a reason", msg{"accept": true, "close": 4000, "reason": "why"}, outcome{status: 101, close: 4000}},
		{"a response", msg{"close": 1011, "reason": "crash", "response": msg{"status": 500, "content": "oh"}}, outcome{status: 500}},
		{"a response beside data", msg{"close": 1011, "text": "a", "response": msg{"status": 500}}, outcome{status: 101, frames: []frame{text("a")}, close: 1011}},
		{"a response that is none", msg{"close": 1011, "response": msg{"status": 1}}, outcome{logged: "key=response.status"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemServer(t, Options{})
				client, app := s.connect()
				app.reply(c.reply)
				if c.want.status == 0 {
					synctest.Wait()
					s.logs.contains(t, c.want.logged, app.channel)
					app.reply(msg{"accept": true}) // the handshake still waits
					client.accepted()
					return
				}
				if c.want.status != 101 {
					client.response().check(t, c.want.status)
					app.disconnected(1006, 1)
					return
				}
				client.accepted()
				client.gets(c.want.frames...)
				if c.want.close != 0 {
					reason, _ := c.reply["reason"].(string)
					client.closed(c.want.close, reason)
					app.disconnected(c.want.close, 1)
				}
			})
		})
	}
}

// TestReplyToOpenSocket tests the right column of the specification's table.
func TestReplyToOpenSocket(t *testing.T) {
	b := func(s string) []byte { return []byte(s) }
	for _, c := range []struct {
		name   string
		reply  msg
		frames []frame
		close  int
		logged string
	}{
		{"accept", msg{"accept": true}, nil, 0, ""},
		{"accept with text", msg{"accept": true, "text": "hi"}, []frame{text("hi")}, 0, ""},
		{"accept False", msg{"accept": false}, nil, 0, ""},
		{"accept False with text", msg{"accept": false, "text": "hi"}, []frame{text("hi")}, 0, ""},
		{"text", msg{"text": "hé"}, []frame{text("hé")}, 0, ""},
		{"empty text", msg{"text": ""}, []frame{text("")}, 0, ""},
		{"bytes", msg{"bytes": b("\xff")}, []frame{binaryFrame("\xff")}, 0, ""},
		{"empty bytes, text None", msg{"text": nil, "bytes": b("")}, []frame{binaryFrame("")}, 0, ""},
		{"a long one", msg{"text": strings.Repeat("x", 70_000)}, []frame{text(strings.Repeat("x", 70_000))}, 0, ""},
		{"one of two bytes' length", msg{"text": strings.Repeat("x", 126)}, []frame{text(strings.Repeat("x", 126))}, 0, ""},
		{"nothing", msg{}, nil, 0, ""},
		{"close", msg{"close": true}, nil, 1000, ""},
		{"close with text", msg{"text": "bye", "close": true}, []frame{text("bye")}, 1000, ""},
		{"close with empty text", msg{"text": "", "close": true}, []frame{text("")}, 1000, ""},
		{"accept with close", msg{"accept": true, "close": 3000}, nil, 3000, ""},
		{"close False", msg{"close": false}, nil, 0, ""},
		{"close 0", msg{"close": 0}, nil, 0, ""},
		{"close 0 with text", msg{"close": 0, "text": "a"}, []frame{text("a")}, 0, ""},
		{"close 1000", msg{"close": 1000}, nil, 1000, ""},
		{"close 1003", msg{"close": 1003}, nil, 1003, ""},
		{"close 1007", msg{"close": 1007}, nil, 1007, ""},
		{"close 1014", msg{"close": 1014}, nil, 1014, ""},
		{"close 3000", msg{"close": 3000}, nil, 3000, ""},
		{"close 4999", msg{"close": 4999}, nil, 4999, ""},
		{"close 999", msg{"close": 999}, nil, 1011, "close=999"},
		{"close 1004", msg{"close": 1004}, nil, 1011, ""},
		{"close 1005", msg{"close": 1005}, nil, 1011, ""},
		{"close 1006", msg{"close": 1006}, nil, 1011, ""},
		{"close 1015", msg{"close": 1015}, nil, 1011, ""},
		{"close 2000", msg{"close": 2000}, nil, 1011, ""},
		{"close 5000 with text", msg{"close": 5000, "text": "a"}, []frame{text("a")}, 1011, ""},
		{"close -1", msg{"close": -1}, nil, 1011, ""},
		{"text and bytes", msg{"text": "a", "bytes": b("b")}, nil, 0, "text and bytes are both present"},
		{"text and bytes and close", msg{"text": "a", "bytes": b("b"), "close": true}, nil, 0, "text and bytes are both present"},
		{"unknown key", msg{"text": "a", "txt": "b"}, nil, 0, "key=txt"},
		{"text of a wrong type", msg{"text": b("a")}, nil, 0, "key=text"},
		{"close of a wrong type", msg{"text": "a", "close": 1.5}, nil, 0, "key=close"},
		{"accept of a wrong type", msg{"text": "a", "accept": "yes"}, nil, 0, "key=accept"},
		{"a response", msg{"close": 1011, "response": msg{"status": 500}}, nil, 1011, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemServer(t, Options{})
				client, app := s.open()
				app.reply(c.reply)
				client.gets(c.frames...)
				if c.close == 0 {
					app.reply(msg{"text": "still open"})
					client.gets(text("still open"))
				} else {
					client.closed(c.close, "")
					app.disconnected(c.close, 1)
				}
				if c.logged != "" && c.close == 0 {
					s.logs.contains(t, c.logged, app.channel)
				}
				if c.close == 1011 && c.reply["response"] == nil {
					s.logs.contains(t, "may not be sent", app.channel)
				}
			})
		})
	}
}

// TestReasonGoesIntoTheCloseFrame checks that a long reason is shortened at the
// start of a character.
func TestReasonGoesIntoTheCloseFrame(t *testing.T) {
	for _, c := range []struct{ reason, want string }{
		{"why not", "why not"},
		{strings.Repeat("x", 123), strings.Repeat("x", 123)},
		{strings.Repeat("x", 124), strings.Repeat("x", 123)},
		{strings.Repeat("é", 62), strings.Repeat("é", 61)},
		{"x" + strings.Repeat("é", 62), "x" + strings.Repeat("é", 61)},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newMemServer(t, Options{})
			client, app := s.open()
			app.reply(msg{"close": 4000, "reason": c.reason})
			client.closed(4000, c.want)
			if shortened := c.reason != c.want; shortened != strings.Contains(s.logs.String(), "was shortened to 123 bytes") {
				t.Errorf("%d bytes: log %s", len(c.reason), s.logs)
			}
		})
	}
}

// TestSubProtocol checks that the first protocol offered by the client that is
// in --ws-protocol is selected, unless the application selects another one.
func TestSubProtocol(t *testing.T) {
	for _, c := range []struct {
		name   string
		speaks []string
		offers string
		reply  msg
		want   string
		logged string
	}{
		{"the client's first", []string{"a", "b"}, "b, a", msg{"accept": true}, "b", ""},
		{"the first shared", []string{"a"}, "c, b, a", msg{"accept": true}, "a", ""},
		{"none shared", []string{"a"}, "b", msg{"accept": true}, "", ""},
		{"none offered", []string{"a"}, "", msg{"accept": true}, "", ""},
		{"case counts", []string{"A"}, "a", msg{"accept": true}, "", ""},
		{"the application's choice", []string{"a"}, "a, b", msg{"accept": true, "subprotocol": "b"}, "b", ""},
		{"a choice that was not offered", []string{"a"}, "a, b", msg{"accept": true, "subprotocol": "c"}, "a", "did not offer was ignored"},
		{"None chooses nothing", []string{"a"}, "a", msg{"accept": true, "subprotocol": nil}, "a", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemServer(t, Options{Protocols: c.speaks})
				var headers []string
				if c.offers != "" {
					headers = append(headers, "Sec-WebSocket-Protocol: "+c.offers)
				}
				client, app := s.connect(headers...)
				app.reply(c.reply)
				if got := client.accepted().Get("Sec-WebSocket-Protocol"); got != c.want {
					t.Errorf("chosen %q, want %q", got, c.want)
				}
				s.logs.contains(t, c.logged)
			})
		})
	}
}

// TestHeadersOfAnAcceptedHandshake checks that the application can add headers, but
// not those of the handshake itself.
func TestHeadersOfAnAcceptedHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemServer(t, Options{})
		client, app := s.connect()
		app.reply(msg{"accept": true, "headers": []any{[]any{"a", "b\r\nc: d"}}})
		synctest.Wait()
		s.logs.contains(t, "is not a header value")
		app.reply(msg{"accept": true, "headers": []any{
			[]any{"Set-Cookie", "a=b"}, []any{"set-cookie", "c=d"}, []any{"Sec-WebSocket-Accept", "x"},
			[]any{"connection", "close"}, []any{"upgrade", "x"}, []any{"content-length", "5"},
		}})
		h := client.accepted()
		if got := h.Values("Set-Cookie"); len(got) != 2 || got[0] != "a=b" || got[1] != "c=d" {
			t.Errorf("cookies %q", got)
		}
		for _, name := range []string{"Sec-WebSocket-Accept", "Connection", "Upgrade"} {
			if n := len(h.Values(name)); n != 1 {
				t.Errorf("%d headers %s", n, name)
			}
		}
		if h.Get("Content-Length") != "" {
			t.Error("there is a Content-Length")
		}
	})
}

// FuzzSocketReply checks that the server can process the reply parsed from any
// message.
func FuzzSocketReply(f *testing.F) {
	f.Add("hi", []byte("x"), int64(1000), true, uint8(0b0111), true)
	f.Add("", []byte{}, int64(-5), false, uint8(0b1111), false)
	f.Fuzz(func(t *testing.T, s string, data []byte, code int64, accept bool, has uint8, waiting bool) {
		kv := msg{}
		for i, f := range []asgi.Field{{Key: "text", Value: s}, {Key: "bytes", Value: data}, {Key: "close", Value: code}, {Key: "accept", Value: accept}, {Key: s, Value: code}} {
			if has&(1<<i) != 0 {
				kv[f.Key] = f.Value
			}
		}
		m, err := messageOf(kv)
		if err != nil {
			return // not a message
		}
		p, bad := parseSocketReply(m, waiting)
		switch {
		case bad != nil && bad.what == "":
			t.Errorf("a problem without words: %+v", bad)
		case bad != nil:
		case p.close != 0 && !p.badCode && !asgi.CanSendCloseCode(int64(p.close)):
			t.Errorf("it would close with %d", p.close)
		case waiting && p.badCode:
			t.Error("a bad code was let through to a waiting handshake")
		case p.deny && !(waiting && !accept):
			t.Error("denied")
		}
	})
}
