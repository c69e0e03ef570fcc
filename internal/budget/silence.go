package budget

import "time"

// A client is silent if it sends or reads less than LeastMoved bytes within
// SilentTimeout, while others wait for the memory or the worker that it holds.
const (
	SilentTimeout = 5 * time.Second
	LeastMoved    = 5 << 10
	// Silence names both limits, for log records.
	Silence = "less than 5 KiB in 5 s"
)
