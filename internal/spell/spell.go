// Package spell finds the intended word behind a misspelt one.
package spell

import "strings"

// Nearest returns the candidate closest to name, or "" if none is close.
// Upper case and underscores make no difference.
func Nearest(name string, candidates []string) string {
	best, least := "", maxEdits(name)+1
	folded := fold(name)
	for _, c := range candidates {
		other := fold(c)
		if c == name || c == "" || abs(len(other)-len(folded)) > maxEdits(name) || len(other) > maxLength {
			continue
		}
		d := distance(folded, other)
		if d < least || d == least && best != "" && c < best {
			best, least = c, d
		}
	}
	return best
}

// Distance returns the number of edits that turn a into b, as [Nearest]
// counts them.
func Distance(a, b string) int {
	if len(a) > maxLength || len(b) > maxLength {
		return maxLength
	}
	return distance(fold(a), fold(b))
}

// maxLength is the length of the longest candidate: comparing longer names
// would take too long.
const maxLength = 100

func abs(n int) int { return max(n, -n) }

// maxEdits returns how many edits a name may be away from a candidate: a third
// of its letters, because more edits turn one short word into any other. A
// name of one letter may differ only in case.
func maxEdits(name string) int {
	if len(name) < 2 {
		return 0
	}
	return max(1, (len(name)+1)/3)
}

func fold(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "")) }

// distance counts the edits that turn a into b. An edit inserts, drops or
// changes a letter, or swaps two neighbours.
func distance(a, b string) int {
	if a == "" || b == "" {
		return max(len(a), len(b))
	}
	var before, last, row []int
	last = make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row = make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
