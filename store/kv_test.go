package store

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"asgibox/asgi"
)

func wantValue(t testing.TB, s *Store, key string, want any) {
	t.Helper()
	v, ok, err := s.Get(t.Context(), nil, key)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		v = asgi.Absent
	}
	if !asgi.Equal(v, want) {
		t.Errorf("%s = %v, want %v", key, v, want)
	}
}

func TestValues(t *testing.T) {
	s := openMemory(t, Options{})
	ctx := t.Context()
	wantValue(t, s, "state/x", asgi.Absent)
	s.Set(ctx, nil, "state/x", "text", 0)
	wantValue(t, s, "state/x", "text")
	s.Set(ctx, nil, "state/x", nil, 0)
	wantValue(t, s, "state/x", nil)
	s.Delete(ctx, nil, "state/x")
	s.Delete(ctx, nil, "state/x")
	wantValue(t, s, "state/x", asgi.Absent)

	for want := int64(5); want <= 15; want += 5 {
		if n, err := s.Incr(ctx, nil, "state/n", 5); n != want || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	s.Set(ctx, nil, "state/max", int64(math.MaxInt64), 0)
	if _, err := s.Incr(ctx, nil, "state/max", 1); !errors.Is(err, asgi.ErrWrongType) {
		t.Errorf("err = %v", err)
	}
	for i := range 5 {
		s.Append(ctx, nil, "state/l", i, 3)
	}
	l, _ := asgi.NewList(2, 3, 4)
	wantValue(t, s, "state/l", l)
	if _, err := s.Append(ctx, nil, "state/n", 1, 0); !errors.Is(err, asgi.ErrWrongType) {
		t.Errorf("err = %v", err)
	}
	if _, err := s.Incr(ctx, nil, "state/l", 1); !errors.Is(err, asgi.ErrWrongType) {
		t.Errorf("err = %v", err)
	}
	keys, err := s.Keys(ctx, nil, "state/m")
	if fmt.Sprint(keys) != "[state/max]" || err != nil {
		t.Errorf("%v %v", keys, err)
	}
	s.Set(ctx, nil, "bare", 1, 0)
	if keys, _ = s.Keys(ctx, nil, ""); fmt.Sprint(keys) != "[bare state/l state/max state/n]" {
		t.Errorf("%v", keys)
	}
}

func TestSwap(t *testing.T) {
	s := openMemory(t, Options{})
	for i, tt := range []struct {
		old, with any
		done      bool
		after     any
	}{
		{1, 2, false, asgi.Absent},
		{asgi.Absent, 1, true, 1},
		{asgi.Absent, 2, false, 1},
		{1.0, 2, false, 1},
		{1, []any{"a"}, true, []any{"a"}},
		{[]any{"a"}, asgi.Absent, true, asgi.Absent},
		{asgi.Absent, asgi.Absent, true, asgi.Absent},
	} {
		done, err := s.Swap(t.Context(), nil, "k", tt.old, tt.with)
		if done != tt.done || err != nil {
			t.Errorf("%d: %v, %v", i, done, err)
		}
		if after, err := asgi.Converter(nil).Value(tt.after); err == nil {
			tt.after = after
		}
		wantValue(t, s, "k", tt.after)
	}
}

func TestValuesExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t, Options{})
		ctx := t.Context()
		s.Set(ctx, nil, "session/a", 1, time.Minute)
		s.Set(ctx, nil, "session/b", 1, time.Minute)
		time.Sleep(30 * time.Second)
		s.Set(ctx, nil, "session/a", 1, time.Minute)
		s.Incr(ctx, nil, "session/b", 1)
		time.Sleep(30 * time.Second)
		wantValue(t, s, "session/a", int64(1))
		wantValue(t, s, "session/b", asgi.Absent)
		s.Set(ctx, nil, "session/a", 1, 0)
		time.Sleep(time.Hour)
		wantValue(t, s, "session/a", int64(1))
		if keys, _ := s.Keys(ctx, nil, "session/"); len(keys) != 1 {
			t.Errorf("%v", keys)
		}
	})
}

func TestBadKeysAndValues(t *testing.T) {
	s := openMemory(t, Options{MaxMessage: 100})
	for _, key := range []string{"", "\xff", strings.Repeat("k", 1025)} {
		if err := s.Set(t.Context(), nil, key, 1, 0); !errors.Is(err, asgi.ErrInvalidName) {
			t.Errorf("%q: %v", key, err)
		}
	}
	if err := s.Set(t.Context(), nil, "k", struct{}{}, 0); !errors.Is(err, asgi.ErrInvalidMessage) {
		t.Errorf("err = %v", err)
	}
	if err := s.Set(t.Context(), nil, "k", asgi.Absent, 0); !errors.Is(err, asgi.ErrInvalidMessage) {
		t.Errorf("err = %v", err)
	}
	if err := s.Set(t.Context(), nil, "k", make([]byte, 100+asgi.MessageOverhead), 0); !errors.Is(err, asgi.ErrMessageTooLarge) {
		t.Errorf("err = %v", err)
	}
}
