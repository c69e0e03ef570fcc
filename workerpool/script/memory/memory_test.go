package memory

import (
	"errors"
	"testing"
)

func TestSharesOfAnAccount(t *testing.T) {
	const limit = 1 << 20
	a := NewAccount(limit)
	one, other := a.NewShare(), a.NewShare()
	var held, second, third int64
	check := func(what string, err error, status int) {
		t.Helper()
		var full *Error
		if errors.As(err, &full) != (status != 0) || full != nil && full.Status() != status {
			t.Errorf("%s: got %v, want status %d", what, err, status)
		}
	}
	check("more than the limit", one.Set(&held, limit+free+1), 413)
	check("all", one.Set(&held, limit+free), 0)
	check("free", other.Set(&second, free), 0)
	check("used by the other", other.Set(&third, 1), 503)
	check("less", one.Set(&held, limit), 0)
	check("what is left", other.Set(&third, free), 0)
	check("nothing is left", one.Set(&held, limit+1), 503)
	if held != limit || a.used != limit {
		t.Errorf("%d bytes held, %d used", held, a.used)
	}
	one.Release()
	check("decode", one.Decode(limit/2), 0)
	check("a smaller text", one.Decode(limit/4), 0)
	check("a larger text", one.Decode(limit/2+free), 0)
	one.Release()
	other.Release()
	if a.used != 0 || one.decoded != 0 {
		t.Errorf("%d bytes used, %d decoded", a.used, one.decoded)
	}
	unlimited := NewAccount(-1).NewShare()
	check("no limit", unlimited.Set(&held, 1<<40), 0)
	check("no share", (*Share)(nil).Decode(1<<40), 0)
}
