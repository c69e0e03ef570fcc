package explain

import "strings"

// Nearest answers the candidate that somebody who wrote name most likely
// meant, or "" if none is near. Case and underscores count little.
func Nearest(name string, candidates []string) string {
	best, least := "", allowed(name)+1
	folded := fold(name)
	for _, c := range candidates {
		other := fold(c)
		if c == name || c == "" || abs(len(other)-len(folded)) > allowed(name) || len(other) > longest {
			continue
		}
		d := distance(folded, other)
		if d < least || d == least && best != "" && c < best {
			best, least = c, d
		}
	}
	return best
}

// Distance counts the mistakes that make b of a, as [Nearest] counts them.
func Distance(a, b string) int {
	if len(a) > longest || len(b) > longest {
		return longest
	}
	return distance(fold(a), fold(b))
}

// longest name that is looked at: nobody misspells longer ones.
const longest = 100

func abs(n int) int { return max(n, -n) }

// allowed is how many mistakes a word of that length may hold: a third of
// its letters, since more turns one short word into any other. One letter may
// only be of the wrong case.
func allowed(name string) int {
	if len(name) < 2 {
		return 0
	}
	return max(1, (len(name)+1)/3)
}

func fold(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "")) }

// distance counts the letters to insert, drop, change or swap with their
// neighbour to make b of a.
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
