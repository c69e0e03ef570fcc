package httpfront

import (
	"io"
	"strings"
	"sync"

	"asgibox/internal/budget"
)

// Sizes of the segments that an arrival is read into. Each segment is as long as
// those before it together, within these limits, so that a client that sends
// little makes the server allocate little.
const (
	firstSegment = 4 << 10
	maxSegment   = 64 << 10
	restSegment  = 16 << 10 // of a message of known length
)

// unlimited is how much is reserved at a time for a message without a limit.
const unlimited = 1 << 20

var (
	firstSegments = sync.Pool{New: func() any { return new([firstSegment]byte) }}
	restSegments  = sync.Pool{New: func() any { return new([restSegment]byte) }}
)

// readAll reads r to its end, or at most limit bytes unless limit is negative.
// It reports whether it has seen the end. If exact, r is expected to have limit
// bytes. The memory of the data stays reserved until the arrival ends. If readAll must wait
// for memory when stop is closed, it fails with [context.Canceled].
func readAll(a *budget.Arrival, stop <-chan struct{}, r io.Reader, limit int64, exact bool) (data string, end bool, err error) {
	first := firstSegments.Get().(*[firstSegment]byte)
	defer firstSegments.Put(first)
	var segments [][]byte
	var total int64
	before := a.Reserved()
	for !end && total != limit {
		all := int64(unlimited)
		if limit >= 0 {
			all = limit - total
		}
		size := min(max(total, firstSegment), maxSegment, all)
		if total+size > a.Reserved()-before {
			if exact {
				all += restSegment
			}
			if err := a.Reserve(stop, size, all); err != nil {
				return "", false, err
			}
			if exact && a.InBudget() && a.Reserved() >= limit {
				return readRest(a, r, segments, limit)
			}
		}
		segment := first[:min(size, firstSegment)]
		if total > 0 {
			segment = make([]byte, size)
		}
		n, err := readFull(a, r, segment)
		if end = err == io.EOF; err != nil && !end {
			return "", false, err
		}
		segments = append(segments, segment[:n])
		total += int64(n)
	}
	if a.InBudget() {
		a.Shrink(total)
	}
	return join(segments, int(total)).String(), end, nil
}

// join returns a builder with the segments and capacity for a number of bytes.
func join(segments [][]byte, capacity int) *strings.Builder {
	b := new(strings.Builder)
	b.Grow(capacity)
	for _, s := range segments {
		b.Write(s)
	}
	return b
}

// readRest reads the rest of size bytes, which start with the segments. It
// allocates the memory of all of them at once, so that there is little garbage.
func readRest(a *budget.Arrival, r io.Reader, segments [][]byte, size int64) (data string, end bool, err error) {
	segment := restSegments.Get().(*[restSegment]byte)
	defer restSegments.Put(segment)
	b := join(segments, int(size))
	for rest := int(size) - b.Len(); rest > 0 && err == nil; rest = int(size) - b.Len() {
		var n int
		n, err = readFull(a, r, segment[:min(rest, restSegment)])
		b.Write(segment[:n])
	}
	if err != nil && err != io.EOF {
		return "", false, err
	}
	a.Shrink(size)
	return b.String(), err == io.EOF, nil
}

// readFull reads until buf is full. Unlike io.ReadFull it returns the reader's own
// error, so that io.EOF means the complete end.
func readFull(a *budget.Arrival, r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = a.Read(r, buf[n:])
		n += m
	}
	return n, err
}
