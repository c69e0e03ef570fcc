package web

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// maxRanges is how many ranges of a file one response has. With more, the client gets the
// whole file, as RFC 9110, section 14.2, permits: each range takes far more time and bytes
// than its text.
const maxRanges = 100

// byteRange returns the Range header that http.ServeContent gets for a file of
// the given size, or "" for the whole file. ServeContent misreads some headers;
// this one has only ranges inside the file, and a range after its end if no
// range can be satisfied. The rules are those of RFC 9110, section 14.
func byteRange(method, header string, size int64) string {
	unit, set, ok := strings.Cut(header, "=")
	if !ok || method != "GET" || !strings.EqualFold(unit, "bytes") || size == 0 {
		return ""
	}
	var ranges []string
	empty := true
	for spec := range strings.SplitSeq(set, ",") {
		if spec = strings.Trim(spec, " \t"); spec == "" {
			continue // an empty element of a list has no meaning
		}
		empty = false
		first, last, err := parseRange(spec, size)
		if err != nil {
			return "" // a server may ignore an invalid header
		}
		if first < size {
			ranges = append(ranges, fmt.Sprintf("%d-%d", first, last))
		}
		if len(ranges) > maxRanges {
			return ""
		}
	}
	if empty {
		return ""
	}
	if ranges == nil {
		return fmt.Sprintf("bytes=%d-", size)
	}
	return "bytes=" + strings.Join(ranges, ",")
}

var errRange = errors.New("invalid range")

// parseRange returns the first and the last position of a range in a file. The
// first position is after the end if the range cannot be satisfied.
func parseRange(spec string, size int64) (first, last int64, err error) {
	from, to, ok := strings.Cut(spec, "-")
	if !ok {
		return 0, 0, errRange
	}
	if from == "" {
		suffix, err := parsePosition(to)
		return size - min(suffix, size), size - 1, err
	}
	if first, err = parsePosition(from); err != nil || to == "" {
		return first, size - 1, err
	}
	if last, err = parsePosition(to); err == nil && last < first {
		err = errRange
	}
	return first, min(last, size-1), err
}

// parsePosition parses digits. A number that is too large becomes the largest.
func parsePosition(digits string) (int64, error) {
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, errRange
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return math.MaxInt64, nil
	}
	return n, nil
}
