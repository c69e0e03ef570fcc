package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"asgibox/asgi"
	"asgibox/internal/budget"
)

// frame returns a frame with a head and segments.
func frame(head string, segments ...string) []byte {
	var b []byte
	for _, part := range append([]string{head}, segments...) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

func TestFramesRoundTrip(t *testing.T) {
	var stream bytes.Buffer
	w := NewWriter(&stream)
	heads := []asgi.Fields{
		{{Key: "id", Value: int64(1)}, {Key: "text", Value: "\uffff \uffff\ufffe0 ü 🙂 <"}},
		{{Key: "short", Value: asgi.Bytes("host\x00\x7f")}, {Key: "empty", Value: asgi.Bytes("")}, {Key: "high", Value: asgi.Bytes("\x80\xff")}},
		{{Key: "long", Value: asgi.Bytes(strings.Repeat("a", 200<<10))}, {Key: "f", Value: 1.0}, {Key: "n", Value: nil}},
		{},
	}
	for _, head := range heads {
		if err := w.Write(head); err != nil {
			t.Fatal(err)
		}
	}
	r := NewReader(iotest.OneByteReader(&stream), 1<<20)
	for i, want := range heads {
		got, err := r.Read()
		if err != nil || len(got) != len(want) {
			t.Fatalf("frame %d: got %v, %v", i, got, err)
		}
		for j := range want {
			if got[j].Key != want[j].Key || !asgi.Equal(got[j].Value, want[j].Value) {
				t.Errorf("frame %d: got %v, want %v", i, got[j], want[j])
			}
		}
	}
	if _, err := r.Read(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestFramesAreWrittenTogether(t *testing.T) {
	var writes [][]byte
	w := NewWriter(writerFunc(func(b []byte) { writes = append(writes, bytes.Clone(b)) }))
	var heads []asgi.Fields
	for i := range 4 {
		heads = append(heads, asgi.Fields{{Key: "id", Value: int64(i)}})
	}
	if err := w.Write(heads...); err != nil || len(writes) != 1 {
		t.Fatalf("%d writes, %v", len(writes), err)
	}
	r := NewReader(bytes.NewReader(writes[0]), 1000)
	for i := range 4 {
		if head, err := r.Read(); err != nil || head[0].Value != int64(i) {
			t.Errorf("frame %d is %v, %v", i, head, err)
		}
	}
	long := asgi.Fields{{Key: "b", Value: asgi.Bytes(strings.Repeat("x", joinedBytes))}}
	if err := w.Write(long, heads[0], heads[1]); err != nil || len(writes) != 3 {
		t.Errorf("%d writes, %v", len(writes), err)
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(b []byte) (int, error) { f(b); return len(b), nil }

func TestReadsBothFormsOfByteStrings(t *testing.T) {
	head, err := NewReader(bytes.NewReader(frame(`{"a":"\uffff\u0000ÿ","b":"\uffff\ufffe1","c":"\uffff\ufffe0","d":"\uffff\uffffx"}`, "zero", "\xff\x00")), 1000).Read()
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{"a": asgi.Bytes("\x00\xff"), "b": asgi.Bytes("\xff\x00"), "c": asgi.Bytes("zero"), "d": "\uffffx"} {
		if got, _ := head.Get(key); got != want {
			t.Errorf("%s is %#v, want %#v", key, got, want)
		}
	}
}

func TestRefusesBadFrames(t *testing.T) {
	for name, b := range map[string][]byte{
		"too long":               frame(`{"a":"` + strings.Repeat("x", 1000) + `"}`),
		"an absurd length":       []byte("\xff\xff\xff\xff"),
		"no head":                frame("")[:4],
		"a head that is a list":  frame(`[]`),
		"a head that is no JSON": frame(`{`),
		"a segment that is cut":  append([]byte{0, 0, 0, 11}, "\x00\x00\x00\x02{}\x00\x00\x00\x09x"...),
		"a length that is cut":   append([]byte{0, 0, 0, 8}, "\x00\x00\x00\x02{}\x00\x00"...),
		"an end within a text":   frame(`{"a":"\"}`),
		"an end within a list":   frame(`{"a":[}`),
		"two dicts":              frame(`{"a":1},{"b":2}`),
	} {
		if name == "no head" {
			b = []byte{0, 0, 0, 0}
		}
		if head, err := NewReader(bytes.NewReader(b), 1000).Read(); !errors.Is(err, ErrBadFrame) {
			t.Errorf("%s: got %v, %v", name, head, err)
		}
	}
	if _, err := NewReader(strings.NewReader("\x00\x00\x00\x09{"), 1000).Read(); err != io.ErrUnexpectedEOF {
		t.Errorf("a frame that is cut: %v", err)
	}
}

// TestABadValueLeavesTheOtherFieldsAndFrames reads heads with values that are not allowed.
func TestABadValueLeavesTheOtherFieldsAndFrames(t *testing.T) {
	for name, value := range map[string]string{
		"a segment that is none":      `"\uffff\ufffe1"`,
		"a segment with two names":    `["\uffff\ufffe0","\uffff\ufffe0"]`,
		"another form of a name":      `{"a":"\uffff\ufffe0","b":"\uffff\ufffe00"}`,
		"a character that is no byte": `"\uffff\u0100"`,
		"a float that is not finite":  `NaN`,
		"a float that is too large":   `[1e400]`,
		"an integer of 65 bits":       `{"a":18446744073709551615}`,
		"half of a surrogate pair":    `{"a":"{\"\ud800,"}`,
		"invalid UTF-8":               "{\"\xff\":1}",
		"a duplicate key":             `{"a":1,"a":2}`,
		"a key that is no text":       `{5:1}`,
		"much nesting":                strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000),
	} {
		stream := append(frame(` {"id" : 7, "bad":`+value+`,"b":"\uffff\ufffe0" } `, "zero"), frame(`{"id":8}`)...)
		r := NewReader(bytes.NewReader(stream), 1<<20)
		_, err := r.Read()
		var bad *ValueError
		if !errors.As(err, &bad) || errors.Is(err, ErrBadFrame) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := asgi.MustMessage(bad.Head...)
		if v, found := got.Get("bad"); len(bad.Head) != 3 || got.Int("id") != 7 || !found || v != nil || got.Bytes("b") != "zero" {
			t.Errorf("%s: the head is %v", name, bad.Head)
		}
		if head, err := r.Read(); err != nil || head[0].Value != int64(8) {
			t.Errorf("after %s: %v, %v", name, head, err)
		}
	}
}

// TestABadValueAmongManyFieldsIsABadFrame checks that not each of them is decoded alone.
func TestABadValueAmongManyFieldsIsABadFrame(t *testing.T) {
	for n, many := range map[int]bool{maxBadFields: false, maxBadFields + 1: true} {
		head := `{"a":x` + strings.Repeat(`,"a":x`, n-1) + `}`
		_, err := NewReader(bytes.NewReader(frame(head)), 1<<20).Read()
		if errors.Is(err, ErrBadFrame) != many {
			t.Errorf("%d fields: %v", n, err)
		}
	}
}

func TestReadContinuesAfterATimeout(t *testing.T) {
	b := frame(`{"id":7}`)
	r := NewReader(io.MultiReader(bytes.NewReader(b[:5]), iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader(b[5:])))), 1000)
	_, err := r.Read()
	if !errors.Is(err, iotest.ErrTimeout) {
		t.Fatal(err)
	}
	if head, err := r.Read(); err != nil || head[0].Value != int64(7) {
		t.Errorf("got %v, %v", head, err)
	}
}

// TestNothingOfALongFrameIsKept reads and writes a frame with many segments.
func TestNothingOfALongFrameIsKept(t *testing.T) {
	items := make([]any, 5000)
	for i := range items {
		items[i] = asgi.Bytes("\xff")
	}
	list, err := asgi.NewList(items...)
	if err != nil {
		t.Fatal(err)
	}
	var stream bytes.Buffer
	w := NewWriter(&stream)
	if err := w.Write(asgi.Fields{{Key: "list", Value: list}}); err != nil {
		t.Fatal(err)
	}
	r := NewReader(&stream, 1<<20)
	if head, err := r.Read(); err != nil || !asgi.Equal(head[0].Value, list) {
		t.Fatalf("%v, %v", head, err)
	}
	if n := cap(w.segments.All) + cap(r.segments.All); n > 2000 {
		t.Errorf("memory for %d segments is kept", n)
	}
	few := frame(`{"a":"\uffff\ufffe0"}`, "text")
	r = NewReader(bytes.NewReader(few), 1<<20)
	if _, err := r.Read(); err != nil || cap(r.segments.All) == 0 || r.segments.All[:1][0] != "" {
		t.Errorf("a segment is kept, or the memory for a few is not: %v, %v", r.segments.All[:1], err)
	}
}

// TestLongHeadsAreDecodedInTurn reads frames while another reader decodes.
func TestLongHeadsAreDecodedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := budget.New(1<<20, t.Context())
		turns, stop := make(chan struct{}, 1), make(chan struct{})
		turns <- struct{}{}
		reader := func(stop <-chan struct{}) *Reader {
			long := `{"a":"` + strings.Repeat("x", 2*budget.ConnBytes) + `"}`
			r := NewReader(bytes.NewReader(append(frame(`{"a":1}`), frame(long)...)), 1<<20)
			r.Allow(1<<20, memory.Arrival(sender{}, new(atomic.Int64), -1), turns, stop)
			if _, err := r.Read(); err != nil {
				t.Errorf("a short frame: %v", err)
			}
			return r
		}
		errs := make(chan error, 2)
		go func() { _, err := reader(nil).Read(); errs <- err }()
		go func() { _, err := reader(stop).Read(); errs <- err }()
		synctest.Wait()
		if len(errs) > 0 {
			t.Errorf("a long frame did not wait: %v", <-errs)
		}
		close(stop)
		if err := <-errs; !errors.Is(err, net.ErrClosed) {
			t.Errorf("a wait that ends: %v", err)
		}
		<-turns
		if err := <-errs; err != nil || len(turns) != 0 {
			t.Errorf("%v, %d turns are taken", err, len(turns))
		}
	})
}

// A sender is one of a budget.
type sender struct{}

func (sender) Interrupt() {}
func (sender) Pause(bool) {}

func FuzzFrames(f *testing.F) {
	f.Add(frame(`{"id":1,"call":"send","message":{"b":"\uffff\ufffe0"}}`, "\xff"))
	f.Add(frame(`{"a":"\uffffx","b":[1,1.5,null,true]}`))
	f.Add(append(frame(`{"a":1e400,"b":"\ud800",:,"c":[}]}`), frame(`{"a":1}`)...))
	f.Add([]byte{0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b), 1<<16)
		for {
			head, err := r.Read()
			if bad := new(ValueError); errors.As(err, &bad) {
				continue
			} else if err != nil {
				return
			}
			var again bytes.Buffer
			if err := NewWriter(&again).Write(head); err != nil {
				t.Fatal(err)
			}
			same, err := NewReader(&again, 1<<20).Read()
			if err != nil || len(same) != len(head) {
				t.Fatalf("%v became %v, %v", head, same, err)
			}
			for i := range head {
				if same[i].Key != head[i].Key || !asgi.Equal(same[i].Value, head[i].Value) {
					t.Fatalf("%v became %v", head[i], same[i])
				}
			}
		}
	})
}

func BenchmarkRoundTrip(b *testing.B) {
	var stream bytes.Buffer
	w, r := NewWriter(&stream), NewReader(&stream, 1<<20)
	head := asgi.Fields{{Key: "id", Value: int64(1)}, {Key: "channel", Value: "http.request"}, {Key: "message", Value: asgi.MustMessage(
		asgi.Field{Key: "reply_channel", Value: "asgibox.response.kQzRtYpLmN!c1"},
		asgi.Field{Key: "method", Value: "GET"},
		asgi.Field{Key: "path", Value: "/rooms/kitchen/"},
		asgi.Field{Key: "headers", Value: []any{[]any{asgi.Bytes("host"), asgi.Bytes("127.0.0.1:8000")}, []any{asgi.Bytes("accept"), asgi.Bytes("*/*")}}},
	).Dict}}
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Write(head); err != nil {
			b.Fatal(err)
		}
		if _, err := r.Read(); err != nil {
			b.Fatal(err)
		}
	}
}
