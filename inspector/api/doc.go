// Package api defines what the control server and its callers share: the types
// of requests and responses with their JSON names, and a [Client].
//
// Times are Unix milliseconds and durations are milliseconds, as JavaScript
// has them; zero stands for none. See [UnixMilli] and [Milliseconds].
package api

import "time"

// UnixMilli returns a time in Unix milliseconds, or zero for the zero time.
func UnixMilli(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMicro()) / 1000
}

// Milliseconds returns a duration in milliseconds.
func Milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
