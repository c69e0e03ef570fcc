package httpfront

import (
	"context"
	"io"
	"strings"
	"sync"
	"time"
)

// Sizes of the segments that an arrival is read into. Each segment is as long as
// those before it together, within these limits, so that a client that sends
// little makes the server allocate little.
const (
	firstSegment = 4 << 10
	maxSegment   = 64 << 10
)

// unlimited is how much is reserved at a time for a message without a limit.
const unlimited = 1 << 20

var firstSegments = sync.Pool{New: func() any { return new([firstSegment]byte) }}

// readAll reads r to its end, or at most limit bytes unless limit is negative.
// It reports whether it has seen the end. The memory of the data stays reserved
// until the arrival ends.
func (a *arrival) readAll(ctx context.Context, r io.Reader, limit int64) (data string, end bool, err error) {
	first := firstSegments.Get().(*[firstSegment]byte)
	defer firstSegments.Put(first)
	var segments [][]byte
	var total int64
	for !end && total != limit {
		all := int64(unlimited)
		if limit >= 0 {
			all = limit - total
		}
		size := min(max(total, firstSegment), maxSegment, all)
		if total+size > a.free+a.held {
			if err := a.reserve(ctx, size, all); err != nil {
				return "", false, err
			}
		}
		segment := first[:min(size, firstSegment)]
		if total > 0 {
			segment = make([]byte, size)
		}
		n, err := a.fill(r, segment)
		if end = err == io.EOF; err != nil && !end {
			return "", false, err
		}
		segments = append(segments, segment[:n])
		total += int64(n)
	}
	if a.place != nil {
		a.shrink(total)
	}
	return join(segments, int(total)), end, nil
}

func join(segments [][]byte, total int) string {
	var b strings.Builder
	b.Grow(total)
	for _, s := range segments {
		b.Write(s)
	}
	return b.String()
}

// heard records that bytes have come from the client during a Read, for a reader
// that returns only when it has enough.
func (a *arrival) heard() {
	if since := a.since.Load(); since != 0 {
		a.since.CompareAndSwap(since, time.Now().UnixNano())
	}
}

// fill reads until buf is full. Unlike io.ReadFull it returns the reader's own
// error, so that io.EOF means the complete end.
func (a *arrival) fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		if a.place != nil {
			a.since.Store(time.Now().UnixNano())
		}
		m, err = r.Read(buf[n:])
		a.since.Store(0)
		n += m
	}
	return n, err
}
