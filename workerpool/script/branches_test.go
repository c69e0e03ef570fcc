package script_test

import (
	"strings"
	"testing"
)

// Compiling these took more than a minute.
func TestAStatementWithTooManyBranchesIsRefused(t *testing.T) {
	s := serve(t, "x = 1\nif x == 2:\n  pass\n"+strings.Repeat("elif x == 2:\n  pass\n", 4000)+`channel_routing = [view("/", lambda request: "fine")]`)
	for source, want := range map[string]string{
		"\nif 1:\n  pass\n" + strings.Repeat("elif 1:\n  pass\n", 60_000): "the if statement has more than 5000 branches",
		nestedBranches(10, 1000): "the if statement has more than 5000 branches",
		"x = [a for a in [1]" + strings.Repeat(" if 1", 150_000) + "]": "app.star:1:5: the comprehension has more than 5000 clauses",
		"x = " + strings.Repeat("-", 900_000) + "1":                    "operators nest too deeply",
	} {
		if err := s.reload(source); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.300v, want %q", err, want)
		}
	}
	s.want("/", 200, "fine")
}

// nestedBranches returns an if statement with many branches, which has another one in
// its last branch, and so on.
func nestedBranches(levels, branches int) string {
	var b strings.Builder
	for level := range levels {
		indent := strings.Repeat(" ", level)
		b.WriteString(indent + "if 1:\n" + indent + " pass\n")
		b.WriteString(strings.Repeat(indent+"elif 1:\n"+indent+" pass\n", branches))
		b.WriteString(indent + "else:\n")
	}
	return b.String() + strings.Repeat(" ", levels) + "pass\n"
}
