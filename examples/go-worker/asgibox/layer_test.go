package asgibox

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"math"
	"net"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

// A server is the other end of the connection of a layer.
type server struct {
	*testing.T
	conn net.Conn
	in   *frames
}

// dial returns a layer that has said hello, and its server.
func dial(t *testing.T) (*Layer, *server) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "socket")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	t.Setenv("ASGIBOX_SOCKET", path)
	t.Setenv("ASGIBOX_TOKEN", "secret")
	s := &server{T: t}
	var greeting sync.WaitGroup
	greeting.Go(func() {
		if s.conn, err = listener.Accept(); err != nil {
			t.Error(err)
			return
		}
		s.in = &frames{from: s.conn}
		hello := s.next()
		if hello["id"] != int64(0) || hello["call"] != "hello" || hello["version"] != int64(1) || hello["token"] != "secret" || hello.Int("pid") == 0 {
			t.Errorf("hello is %v", hello)
		}
		s.send(Message{"id": 0, "version": 1, "server": "asgibox test", "generation": 3, "max_message": 1 << 20})
	})
	l, err := Dial(t.Context())
	greeting.Wait()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); s.conn.Close() })
	return l, s
}

// next returns the next frame of the layer.
func (s *server) next() Message {
	m, err := s.in.next()
	if err != nil {
		s.Error(err)
	}
	return m
}

func (s *server) send(head Message) {
	frame, err := appendFrame(nil, head)
	if err == nil {
		_, err = s.conn.Write(frame)
	}
	if err != nil {
		s.Error(err)
	}
}

// answer replies to the next call and returns it.
func (s *server) answer(fields Message) Message {
	call := s.next()
	result := Message{"id": call["id"]}
	maps.Copy(result, fields)
	s.send(result)
	return call
}

func TestCalls(t *testing.T) {
	l, s := dial(t)
	if l.Hello().Int("generation") != 3 {
		t.Errorf("hello returned %v", l.Hello())
	}
	for name, c := range map[string]struct {
		call func(ctx context.Context) (any, error)
		want Message // the call
		back Message // its answer
		got  any     // what the method returns
	}{
		"Send": {
			func(ctx context.Context) (any, error) { return nil, l.Send(ctx, "c", Message{"a": 1}) },
			Message{"call": "send", "channel": "c", "message": Message{"a": int64(1)}}, nil, nil,
		},
		"Poll": {
			func(ctx context.Context) (any, error) {
				channel, m, err := l.Poll(ctx, "c", "d")
				return []any{channel, m}, err
			},
			Message{"call": "receive", "channels": []any{"c", "d"}},
			Message{"channel": nil, "message": nil}, []any{"", Message(nil)},
		},
		"NewChannel": {
			func(ctx context.Context) (any, error) { return l.NewChannel(ctx, "c?") },
			Message{"call": "new_channel", "pattern": "c?"}, Message{"channel": "c?x"}, "c?x",
		},
		"GroupAdd": {
			func(ctx context.Context) (any, error) { return nil, l.GroupAdd(ctx, "g", "c") },
			Message{"call": "group_add", "group": "g", "channel": "c"}, nil, nil,
		},
		"GroupDiscard": {
			func(ctx context.Context) (any, error) { return nil, l.GroupDiscard(ctx, "g", "c") },
			Message{"call": "group_discard", "group": "g", "channel": "c"}, nil, nil,
		},
		"GroupChannels": {
			func(ctx context.Context) (any, error) { return l.GroupChannels(ctx, "g") },
			Message{"call": "group_channels", "group": "g"}, Message{"channels": []string{"a", "b"}}, []string{"a", "b"},
		},
		"SendGroup": {
			func(ctx context.Context) (any, error) { return nil, l.SendGroup(ctx, "g", Message{}) },
			Message{"call": "send_group", "group": "g", "message": Message{}}, nil, nil,
		},
		"Call": {
			func(ctx context.Context) (any, error) {
				m, err := l.Call(ctx, "state/incr", Message{"key": "k"})
				return m.Int("value"), err
			},
			Message{"call": "state/incr", "key": "k"}, Message{"value": 5}, int64(5),
		},
	} {
		t.Run(name, func(t *testing.T) {
			var serving sync.WaitGroup
			serving.Go(func() {
				call := s.answer(c.back)
				delete(call, "id")
				if !reflect.DeepEqual(call, c.want) {
					t.Errorf("the call is %v, want %v", call, c.want)
				}
			})
			got, err := c.call(t.Context())
			serving.Wait()
			if err != nil || !reflect.DeepEqual(got, c.got) {
				t.Errorf("%#v, %v; want %#v", got, err, c.got)
			}
		})
	}
}

func TestErrorsAreNamed(t *testing.T) {
	l, s := dial(t)
	for _, want := range []*Error{ErrRetired, ErrChannelFull, ErrGone} {
		var serving sync.WaitGroup
		serving.Go(func() { s.answer(Message{"error": want.Kind, "detail": "since noon"}) })
		_, _, err := l.Receive(t.Context(), "c")
		serving.Wait()
		if !errors.Is(err, want) || !strings.Contains(err.Error(), "since noon") || errors.Is(err, ErrClosed) {
			t.Errorf("%v is not %v", err, want)
		}
	}
}

func TestAnswersArriveInAnyOrder(t *testing.T) {
	l, s := dial(t)
	var calls sync.WaitGroup
	for _, key := range []string{"a", "b", "c"} {
		calls.Go(func() {
			m, err := l.Call(t.Context(), "state/get", Message{"key": key})
			if err != nil || m.Text("value") != key {
				t.Errorf("%s: %v, %v", key, m, err)
			}
		})
	}
	open := []Message{s.next(), s.next(), s.next()}
	s.send(Message{"ping": 7})
	if pong := s.next(); pong["pong"] != int64(7) {
		t.Errorf("the ping is answered by %v", pong)
	}
	for _, call := range slices.Backward(open) {
		s.send(Message{"id": call["id"], "value": call["key"]})
	}
	calls.Wait()
}

func TestReceiveEndsWithItsContext(t *testing.T) {
	l, s := dial(t)
	for _, message := range []Message{nil, {"text": "just in time"}} {
		ctx, cancel := context.WithCancel(t.Context())
		var receiving sync.WaitGroup
		receiving.Go(func() {
			channel, m, err := l.Receive(ctx, "c")
			if message == nil && (err == nil || channel != "") {
				t.Errorf("%q, %v, %v", channel, m, err)
			}
			if message != nil && (err != nil || m.Text("text") != "just in time") {
				t.Errorf("%q, %v, %v", channel, m, err)
			}
		})
		receive := s.next()
		if receive["call"] != "receive" || receive["block"] != true {
			t.Errorf("the call is %v", receive)
		}
		cancel()
		if call := s.next(); call["call"] != "cancel" || call["of"] != receive["id"] {
			t.Errorf("the call is %v", call)
		}
		if message == nil {
			s.send(Message{"id": receive["id"], "channel": nil, "message": nil})
		} else {
			s.send(Message{"id": receive["id"], "channel": "c", "message": message})
		}
		receiving.Wait()
	}
}

func TestALostConnectionEndsAllCalls(t *testing.T) {
	l, s := dial(t)
	var calls sync.WaitGroup
	for range 3 {
		calls.Go(func() {
			if _, _, err := l.Receive(t.Context(), "c"); err == nil || !strings.Contains(err.Error(), "the server has ended the connection") {
				t.Errorf("the error is %v", err)
			}
		})
	}
	for range 3 {
		s.next()
	}
	s.conn.Close()
	calls.Wait()
	if err := l.Send(t.Context(), "c", Message{}); err == nil {
		t.Error("a later call has no error")
	}
}

func TestALongMessageCostsNoConnection(t *testing.T) {
	l, s := dial(t)
	if err := l.Send(t.Context(), "c", Message{"b": make([]byte, 1<<20+overhead)}); !errors.Is(err, ErrMessageTooLarge) {
		t.Errorf("the error is %v", err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { s.answer(nil) })
	if err := l.Send(t.Context(), "c", Message{"b": make([]byte, 1<<20)}); err != nil {
		t.Error(err)
	}
	serving.Wait()
}

func TestTheServerMayRefuse(t *testing.T) {
	l, s := dial(t)
	s.send(Message{"error": "Unauthorized", "detail": "wrong token"})
	if _, _, err := l.Receive(t.Context(), "c"); !errors.Is(err, &Error{Kind: "Unauthorized"}) {
		t.Errorf("the error is %v", err)
	}
}

func TestCallsEndWithTheirContextAndWithClose(t *testing.T) {
	l, s := dial(t)
	ctx, cancel := context.WithCancel(t.Context())
	var calling sync.WaitGroup
	calling.Go(func() {
		if _, err := l.Call(ctx, "flush", nil); !errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v", err)
		}
	})
	s.next()
	cancel()
	calling.Wait()
	calling.Go(func() {
		if _, err := l.Call(t.Context(), "flush", nil); !errors.Is(err, errLayerClosed) {
			t.Errorf("the error is %v", err)
		}
	})
	s.next()
	l.Close()
	calling.Wait()
}

func TestDialSaysHowToStart(t *testing.T) {
	t.Setenv("ASGIBOX_SOCKET", "")
	if _, err := Dial(t.Context()); err == nil || !strings.Contains(err.Error(), "asgibox run") {
		t.Errorf("the error is %v", err)
	}
}

// every has a value of each kind.
var every = Message{
	"text": "ü\"\\\n🙂", "marked": "\uffffx", "segment": "\uffff\ufffe0", "empty": "", "\uffffkey": true,
	"ascii": []byte("Hello"), "latin": []byte{0, 0xff, '"'}, "none": []byte{}, "long": bytes.Repeat([]byte("x"), maxInline+1),
	"small": int64(math.MinInt64), "large": int64(math.MaxInt64), "float": 1.0, "tiny": 1e-300, "minus": -2.5,
	"list": []any{nil, false, []any{}, Message{"x": []byte{1}}},
}

func TestValuesSurvive(t *testing.T) {
	frame, err := appendFrame(nil, every)
	if err != nil {
		t.Fatal(err)
	}
	r := &frames{from: bytes.NewReader(frame)}
	got, err := r.next()
	if err != nil || !reflect.DeepEqual(got, every) {
		t.Errorf("got  %#v, %v\nwant %#v", got, err, every)
	}
	if _, err := r.next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the frame: %v", err)
	}
}

func TestFramesArriveInPieces(t *testing.T) {
	frame, err := appendFrame(nil, every)
	if err != nil {
		t.Fatal(err)
	}
	three := bytes.Repeat(frame, 3)
	for _, r := range []io.Reader{bytes.NewReader(three), iotest.OneByteReader(bytes.NewReader(three)), iotest.TimeoutReader(iotest.HalfReader(bytes.NewReader(three)))} {
		in := frames{from: r}
		for i := 0; i < 3; {
			got, err := in.next()
			if errors.Is(err, iotest.ErrTimeout) {
				continue // no byte is lost
			}
			if err != nil || !reflect.DeepEqual(got, every) {
				t.Fatalf("got  %#v, %v\nwant %#v", got, err, every)
			}
			i++
		}
	}
}

func TestFrameByteForByte(t *testing.T) {
	got, err := appendFrame(nil, Message{"b": []any{[]byte("\n"), []byte("hi"), 1.0}})
	want := "00000026" + "0000001d" + hex.EncodeToString([]byte(`{"b":["`+"\uffff\ufffe"+`0","`+"\uffff"+`hi",1.0]}`)) + "00000001" + "0a"
	if err != nil || hex.EncodeToString(got) != want {
		t.Errorf("got  %x, %v\nwant %s", got, err, want)
	}
}

func TestValuesThatNoMessageHas(t *testing.T) {
	deep := []any{}
	for range maxDepth {
		deep = []any{deep}
	}
	for name, v := range map[string]any{
		"NaN": math.NaN(), "infinity": math.Inf(-1), "invalid UTF-8": "\xff", "a type": struct{}{}, "depth": deep,
	} {
		if _, err := appendFrame(nil, Message{"list": []any{v}}); !errors.Is(err, ErrInvalidMessage) {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}

func TestBadFrames(t *testing.T) {
	for name, frame := range map[string]string{
		"too long":             "ffffffff",
		"incomplete":           "00000006" + "00000002" + "7b",
		"no head":              "00000000",
		"head too long":        "00000006" + "00000003" + "7b7d",
		"segment too long":     "0000000a" + "00000002" + "7b7d" + "00000001",
		"rest":                 "00000007" + "00000002" + "7b7d" + "00",
		"no JSON":              "00000005" + "00000001" + "7b",
		"unknown segment":      "00000012" + "0000000e" + hex.EncodeToString([]byte(`{"":"`+"\uffff\ufffe"+`0"}`)),
		"characters in bytes":  "00000010" + "0000000c" + hex.EncodeToString([]byte(`{"":"`+"\uffff"+`ā"}`)),
		"integer of 65 bits":   "0000001c" + "00000018" + hex.EncodeToString([]byte(`{"":9223372036854775808}`)),
		"segment without name": "00000011" + "0000000d" + hex.EncodeToString([]byte(`{"":"`+"\uffff\ufffe"+`"}`)),
	} {
		b, err := hex.DecodeString(frame)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := (&frames{from: bytes.NewReader(b)}).next(); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
}
