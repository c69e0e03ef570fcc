package process

import (
	"encoding/binary"
	"strings"
	"testing"

	"asgibox/asgi/remote"
)

// rawFrame returns a frame with a head as it stands.
func rawFrame(head string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(4+len(head)))
	return append(binary.BigEndian.AppendUint32(b, uint32(len(head))), head...)
}

func deepList(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }

// TestABadValueFailsItsCallOnly makes calls with values that no message may have.
func TestABadValueFailsItsCallOnly(t *testing.T) {
	s, _ := serve(t, ServerOptions{})
	c := join(t, s, "")
	for _, bad := range []struct{ fields, kind, detail string }{
		{`"call":"send","channel":"a","message":{"a":[9223372036854775808]}`, remote.InvalidMessage, "a[0]"},
		{`"call":"send","channel":"a","message":{"a":1e400}`, remote.InvalidMessage, "a"},
		{`"call":"send","channel":"a","message":{"a":1,"a":2}`, remote.InvalidMessage, "a: the key is given twice"},
		{`"call":"send","channel":"a","message":{"a":"\ud800"}`, remote.InvalidMessage, "surrogate"},
		{`"call":"send","channel":"a","message":{"a":"\uffff\ufffe3"}`, remote.InvalidMessage, "segment"},
		{`"call":"send","channel":"a","message":{"a":` + "\"\xff\"}", remote.InvalidMessage, "UTF-8"},
		{`"call":"send","channel":"a","message":{"a":` + deepList(100) + `}`, remote.InvalidMessage, "100 levels"},
		{`"call":"send","channel":"a","message":{"a":NaN},"quiet":true`, remote.InvalidMessage, "expected a value"},
		{`"call":"send","channel":"a","channel":"b","message":{}`, remote.InvalidMessage, "channel"},
		{`"call":"state/set","key":"k","value":1e400`, remote.InvalidMessage, ""},
		{`"call":"receive","channels":[1e400],"block":true`, remote.InvalidMessage, ""},
		{`"call":"cancel","of":1e400`, remote.InvalidMessage, ""},
		{`"call":"flush","quiet":1`, remote.BadRequest, "quiet"},
		{`"call":5`, remote.BadRequest, "call"},
		{`"a":1`, remote.BadRequest, "call"},
	} {
		if _, err := c.net.Write(rawFrame("{" + bad.fields + `,"id":7}`)); err != nil {
			t.Fatal(err)
		}
		head, err := c.r.Read()
		if id, _ := head.Get("id"); err != nil || id != int64(7) || find[string](head, "error") != bad.kind || !strings.Contains(find[string](head, "detail"), bad.detail) {
			t.Fatalf("%s: got %v, %v, want %s", bad.fields[:min(80, len(bad.fields))], head, err, bad.kind)
		}
	}
	if got, err := c.call("receive", "channels", []any{"a"}); err != nil || find[string](got, "channel") != "" {
		t.Errorf("a message was sent: %v, %v", got, err)
	}
}

// TestABadHeadEndsTheConnection sends heads whose calls cannot be answered.
func TestABadHeadEndsTheConnection(t *testing.T) {
	for _, head := range []string{
		`[]`, `{`, `{}`, `{x}`, `{"id":"x","call":"flush"}`, `{"id":1e400,"call":"flush"}`,
		`{"id":1,"id":2,"call":"flush"}`, `{"done":1e400}`, `{"done":5,"reply":{"a":1e400}}`,
	} {
		s, _ := serve(t, ServerOptions{})
		c := join(t, s, "")
		if _, err := c.net.Write(rawFrame(head)); err != nil {
			t.Fatal(err)
		}
		if got, err := c.r.Read(); err == nil {
			t.Errorf("%s: got %v", head, got)
		}
	}
}

// TestABadValueFailsItsHandlerOnly lets handlers use values that no message may have.
func TestABadValueFailsItsHandlerOnly(t *testing.T) {
	r := newRig(t, program("routed", "o"), threads(1), oneProcess)
	r.mustLoad()
	pid := r.server.Processes()[0].PID
	r.get("/badcall", 200, "InvalidMessage")
	r.get("/badquiet", 500, "InvalidMessage")
	r.get("/badreply", 500, "InvalidMessage")
	r.get("/baduses", 200, "replied")
	r.logged("a worker does not say which files it uses")
	if now := r.server.Processes()[0].PID; now != pid {
		t.Errorf("process %d was replaced by %d", pid, now)
	}
}

// TestABadValueOfALoop lets a loop send a value that no message may have.
func TestABadValueOfALoop(t *testing.T) {
	r := newRig(t, program("bad", "value"))
	r.mustLoad()
	r.get("/", 200, "")
}

// TestABadReadyFrame checks that a load fails whose end cannot be read.
func TestABadReadyFrame(t *testing.T) {
	for _, call := range []string{"ready", "failed"} {
		r := newRig(t, program("bad", call))
		if err := r.loaded(); err == nil || !strings.Contains(err.Error(), "the frame "+call) || !strings.Contains(err.Error(), "routes") {
			t.Errorf("%s: %v", call, err)
		}
	}
}
