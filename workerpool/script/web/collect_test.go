package web

import (
	"cmp"
	"errors"
	"io"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"asgibox/asgi"
	"asgibox/workerpool/script/memory"

	"go.starlark.net/starlark"
)

const limit = 1 << 20

// piecewise returns a request of a body in pieces of 1000 bytes.
func piecewise(body string, share *memory.Share, head ...string) *Request {
	m := get("/", headers(head...), asgi.Field{Key: "body_channel", Value: "http.request.body?x"})
	var pieces []string
	for len(body) > 0 {
		n := min(1000, len(body))
		pieces = append(pieces, body[:n])
		body = body[n:]
	}
	return NewRequest(m, Hooks{More: inPieces(pieces...), Memory: share})
}

func wantRefused(t *testing.T, what string, err error, status int) {
	t.Helper()
	var wrong *RequestError
	if status == 0 && err != nil || status != 0 && (!errors.As(err, &wrong) || wrong.Status != status || !strings.Contains(err.Error(), "--memory")) {
		t.Errorf("%s: got %v, want %d", what, err, status)
	}
}

func TestBodiesHaveTheMemoryOfTheHandlers(t *testing.T) {
	large, half := strings.Repeat("x", limit*5/4), strings.Repeat("x", limit/2)
	for _, told := range []bool{true, false} {
		account := memory.NewAccount(limit)
		read := func(body string) (*memory.Share, error) {
			share := account.NewShare()
			r := piecewise(body, share)
			if told {
				r = piecewise(body, share, "content-length", strconv.Itoa(len(body)))
			}
			v, err := r.Attr("body")
			if err == nil && v != starlark.Bytes(body) {
				t.Errorf("the body is wrong")
			}
			return share, err
		}
		_, err := read(large)
		wantRefused(t, "a large body", err, 413)
		account = memory.NewAccount(limit)
		first, err := read(half)
		wantRefused(t, "the first body", err, 0)
		_, err = read(half + half[:limit/4])
		wantRefused(t, "a second body", err, 503)
		first.Release()
		account = memory.NewAccount(limit)
		_, err = read(half)
		wantRefused(t, "a body after the first", err, 0)
	}
}

// TestABodyThatCannotBeHeldIsRefusedBeforeItArrives: each announced length is either
// read to its end or refused at once.
func TestABodyThatCannotBeHeldIsRefusedBeforeItArrives(t *testing.T) {
	for percent := 50; percent <= 110; percent++ {
		body := strings.Repeat("x", limit*percent/100)
		r := piecewise(body, memory.NewAccount(limit).NewShare(), "content-length", strconv.Itoa(len(body)))
		read, next := 0, r.body.more
		r.body.more = func() (asgi.Bytes, error) { read++; return next() }
		if _, err := r.Attr("body"); err != nil && read > 0 {
			t.Errorf("%d%%: refused after %d pieces: %v", percent, read, err)
		}
	}
}

// TestAnnouncedBytesTakeNoMemory reads a body while others have announced long ones
// and sent little.
func TestAnnouncedBytesTakeNoMemory(t *testing.T) {
	account := memory.NewAccount(limit)
	honest := strings.Repeat("x", limit*3/4)
	var read func(slow int) error
	read = func(slow int) error {
		if slow == 0 {
			_, err := piecewise(honest, account.NewShare(), "content-length", strconv.Itoa(len(honest))).Attr("body")
			return err
		}
		r := piecewise(strings.Repeat("x", 10_000), account.NewShare(), "content-length", strconv.Itoa(len(honest)))
		next := r.body.more
		r.body.more = func() (asgi.Bytes, error) {
			piece, err := next()
			if err == io.EOF {
				err = cmp.Or(read(slow-1), io.EOF)
			}
			return piece, err
		}
		_, err := r.Attr("body")
		return err
	}
	wantRefused(t, "an honest body", read(20), 0)
}

// TestAnAnnouncedBodyTakesAtMostFourTimesWhatHasArrived checks after each piece what
// is left for another handler.
func TestAnAnnouncedBodyTakesAtMostFourTimesWhatHasArrived(t *testing.T) {
	account := memory.NewAccount(limit)
	other, held := account.NewShare(), int64(0)
	body := strings.Repeat("x", limit*3/4)
	r := piecewise(body, account.NewShare(), "content-length", strconv.Itoa(len(body)))
	next, arrived := r.body.more, 0
	r.body.more = func() (asgi.Bytes, error) {
		if err := other.Set(&held, max(0, int64(limit-4*arrived))); err != nil {
			t.Fatalf("after %d bytes: %v", arrived, err)
		}
		other.Release()
		held = 0
		piece, err := next()
		arrived += len(piece)
		return piece, err
	}
	v, err := r.Attr("body")
	if err != nil || v != starlark.Bytes(body) {
		t.Errorf("got %v", err)
	}
}

func TestValuesOfTheClientHaveTheMemoryOfTheHandlers(t *testing.T) {
	file := "--XX\r\nContent-Disposition: form-data; name=\"a\"; filename=\"b\"\r\n\r\n" + strings.Repeat("x", limit*3/4) + "\r\n--XX--\r\n"
	dicts := "[" + strings.Repeat("{},", 3000) + "1]"
	for _, c := range []struct{ attr, kind, body string }{
		{"POST", "application/x-www-form-urlencoded", "a=" + url.QueryEscape(strings.Repeat("é", limit/12))},
		{"FILES", "multipart/form-data; boundary=XX", file},
		{"text", "", strings.Repeat("a\xff", limit/4)},
		{"json", "", dicts},
	} {
		r := piecewise(c.body, memory.NewAccount(limit).NewShare(), "content-type", c.kind)
		v, err := r.Attr(c.attr)
		if c.attr == "json" && err == nil {
			thread := new(starlark.Thread)
			r.hooks.Memory.Use(thread)
			_, err = starlark.Call(thread, v, nil, []starlark.Tuple{{starlark.String("default"), starlark.None}})
		}
		wantRefused(t, c.attr, err, 413)
	}
	m := get("/?"+strings.Repeat("a&", maxFields-1), headers("cookie", strings.Repeat("a;", maxFields-1)))
	for _, attr := range []string{"GET", "COOKIES"} {
		r := NewRequest(m, Hooks{Memory: memory.NewAccount(limit / 4).NewShare()})
		_, err := r.Attr(attr)
		wantRefused(t, attr, err, 413)
	}
}

func TestWSGIInputHasTheMemoryOfTheHandlers(t *testing.T) {
	body := strings.Repeat("x\n", limit)
	open := func(body string) starlark.HasAttrs {
		in, _, _ := piecewise(body, memory.NewAccount(limit).NewShare()).environ(nil).Get(starlark.String("wsgi.input"))
		return in.(starlark.HasAttrs)
	}
	call := func(in starlark.HasAttrs, name string, args ...starlark.Value) (starlark.Value, error) {
		fn, err := in.Attr(name)
		if err != nil {
			t.Fatal(err)
		}
		return starlark.Call(new(starlark.Thread), fn, args, nil)
	}
	for _, name := range []string{"read", "readlines"} {
		_, err := call(open(body), name)
		wantRefused(t, name, err, 413)
	}
	_, err := call(open(strings.Repeat("x", 2*limit)), "readline")
	wantRefused(t, "readline", err, 413)
	in := open(body)
	for range 2 * limit / (limit / 4) { // each call returns a piece that may be garbage at the next
		v, err := call(in, "read", starlark.MakeInt(limit/4))
		if b, _ := v.(starlark.Bytes); err != nil || len(b) != limit/4 {
			t.Fatalf("got %d bytes, %v", len(b), err)
		}
	}
}
