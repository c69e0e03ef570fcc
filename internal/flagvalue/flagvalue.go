// Package flagvalue parses the values of flags: durations, sizes, numbers,
// choices, lists and settings. It has a type of flag for each.
package flagvalue

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Forever is a duration without end, written as -1.
const Forever time.Duration = -1

// ParseDuration parses a duration. A number without a unit means seconds, so 90,
// 90s and 1m30s are the same. -1 means [Forever].
func ParseDuration(text string) (time.Duration, error) {
	if text == "-1" {
		return Forever, nil
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		if !(seconds >= 0 && seconds < math.MaxInt64/float64(time.Second)) {
			return 0, fmt.Errorf("%q is out of range for a duration", text)
		}
		return time.Duration(seconds * float64(time.Second)), nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not a duration like 90, 90s or 1m30s", text)
	}
	return d, nil
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
	if bytes := n * unit; bytes >= 0 && bytes < 1<<50 {
		return int(bytes), nil
	}
	return 0, fmt.Errorf("%q is out of range for a size", text)
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
