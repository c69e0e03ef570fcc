package recent

import (
	"slices"
	"testing"
)

func TestTheNewestNamesAreRemembered(t *testing.T) {
	var n Names
	for _, step := range []struct {
		add, removed string
		want         []string
	}{
		{"a", "", []string{"a"}},
		{"b", "", []string{"a", "b"}},
		{"c", "", []string{"a", "b", "c"}},
		{"a", "", []string{"a", "b", "c"}}, // is the newest again
		{"d", "b", []string{"a", "c", "d"}},
		{"e", "c", []string{"a", "d", "e"}},
	} {
		if removed := n.Add(step.add, 3); removed != step.removed {
			t.Errorf("Add(%s) removed %q, want %q", step.add, removed, step.removed)
		}
		if got := slices.Sorted(n.All()); !slices.Equal(got, step.want) || !n.Has(step.add) || n.order.Len() != len(got) {
			t.Errorf("after %s: got %v, want %v", step.add, got, step.want)
		}
	}
	if n.Has("b") || new(Names).Has("a") {
		t.Error("a name is remembered that was not added, or was removed")
	}
}
