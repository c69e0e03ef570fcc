// Package flagvalue parses the values of flags: durations, sizes, numbers,
// choices, lists and settings. It has a type of flag for each.
package flagvalue

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Forever is a duration without end, written as -1.
const Forever time.Duration = -1

// Limits of the durations and sizes that are accepted.
const (
	minDuration = time.Millisecond // except 0
	maxDuration = 10 * 365 * 24 * time.Hour
	maxSize     = 1 << 40
)

// DurationRange and SizeRange describe the values that are accepted.
const (
	DurationRange = "1ms to 87600h"
	SizeRange     = "1 byte to 1024GiB"
)

// ParseDuration parses a duration. A number without a unit means seconds, so 90,
// 90s and 1m30s are the same. -1 means [Forever].
func ParseDuration(text string) (time.Duration, error) {
	if text == "-1" {
		return Forever, nil
	}
	var d time.Duration
	seconds, err := strconv.ParseFloat(text, 64)
	if err == nil {
		if !(seconds >= 0 && seconds <= maxDuration.Seconds()) {
			return 0, durationRangeError(text)
		}
		d = time.Duration(seconds * float64(time.Second))
	} else if d, err = time.ParseDuration(text); err != nil {
		return 0, fmt.Errorf("%q is not a duration like 90, 90s or 1m30s", text)
	}
	if d != 0 && (d < minDuration || d > maxDuration) {
		return 0, durationRangeError(text)
	}
	return d, nil
}

func durationRangeError(text string) error {
	return fmt.Errorf("%q is out of range: a duration is %s", text, DurationRange)
}

// units has the bytes of each unit, by its suffix in lower case. k means KiB.
var units = map[string]float64{
	"": 1, "b": 1,
	"k": 1 << 10, "kb": 1 << 10, "kib": 1 << 10,
	"m": 1 << 20, "mb": 1 << 20, "mib": 1 << 20,
	"g": 1 << 30, "gb": 1 << 30, "gib": 1 << 30,
}

// ParseSize parses a number of bytes, like 65536, 64k or 1MiB.
func ParseSize(text string) (int, error) {
	digits := strings.TrimRightFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	unit, ok := units[strings.ToLower(strings.TrimSpace(text[len(digits):]))]
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || !ok || strings.ContainsAny(digits, "xXpPeE_") {
		return 0, fmt.Errorf("%q is not a size like 65536, 64k or 1MiB", text)
	}
	if bytes := n * unit; bytes >= 0 && bytes <= maxSize {
		return int(bytes), nil
	}
	return 0, fmt.Errorf("%q is out of range: a size is %s", text, SizeRange)
}

// Setting is a setting of the application.
type Setting struct{ Name, Value string }

// ParseSetting parses NAME=VALUE. The value may be empty or contain "=".
func ParseSetting(text string) (Setting, error) {
	name, value, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return Setting{}, fmt.Errorf("%q is not NAME=VALUE", text)
	}
	return Setting{name, value}, nil
}
