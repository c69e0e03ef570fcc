package flagvalue

// Nearest answers the name that a misspelt one most likely stands for, or "".
func Nearest(name string, names []string) string {
	best, nearest := 1+len(name)/3, ""
	for _, candidate := range names {
		if d := distance(name, candidate); d <= best && (nearest == "" || d < best) {
			best, nearest = d, candidate
		}
	}
	return nearest
}

// distance counts the letters to insert, drop, replace or swap with their
// neighbour to get from a to b.
func distance(a, b string) int {
	previous, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], previous[j-2]+1)
			}
		}
		previous, last, row = last, row, previous
	}
	return last[len(b)]
}
