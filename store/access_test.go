package store

import (
	"context"
	"fmt"
	"testing"

	"asgibox/asgi"
)

func TestUsesOfValuesAreRecorded(t *testing.T) {
	s, d := newDebugged(t)
	rec := d.Record(5)
	ctx, c := context.Background(), asgi.NewCause(7)
	s.Set(ctx, nil, "state/x", "without a cause", 0)
	s.Set(ctx, c, "state/x", int64(1), 0)
	s.Incr(ctx, c, "state/x", 2)
	s.Get(ctx, c, "state/none")
	s.Keys(ctx, c, "state/")
	s.Delete(ctx, c, "state/x")
	uses, lost := rec.FetchAccesses()
	var got []string
	for _, u := range uses {
		before, after := u.Before, u.After
		for _, v := range []*any{&before, &after} {
			if *v == any(asgi.Absent) {
				*v = "-"
			}
		}
		got = append(got, fmt.Sprint(u.Trace, " ", u.Key, " ", before, " ", after, " ", u.Read))
	}
	want := []string{
		"0000000000000007 state/x without a cause 1 false", "0000000000000007 state/x 1 3 true", "0000000000000007 state/none - - true",
		"0000000000000007 state/x 3 3 true", "0000000000000007 state/x 3 - false",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || lost {
		t.Errorf("got  %q, %v\nwant %q", got, lost, want)
	}
	for range 6 {
		s.Get(ctx, c, "state/x")
	}
	if uses, lost = rec.FetchAccesses(); len(uses) != 5 || !lost {
		t.Errorf("beyond the limit: %d uses, %v", len(uses), lost)
	}
}
