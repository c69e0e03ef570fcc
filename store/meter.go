package store

import "time"

// meterWindow is how far back a meter's rate looks.
const meterWindow = int64(5 * time.Second)

// A meter counts, and knows how many of it were a second ago: the current
// window, and of the one before as much as makes the span full.
type meter struct {
	count  uint64
	since  int64  // the window's start
	base   uint64 // the count then
	before uint64 // counted in the window before
}

func (m *meter) add(now int64) {
	if now-m.since >= meterWindow {
		m.roll(now)
	}
	m.count++
}

func (m *meter) roll(now int64) {
	switch age := now - m.since; {
	case age < meterWindow:
		return
	case age < 2*meterWindow:
		m.before = m.count - m.base
		m.since += meterWindow
	default:
		m.before = 0
		m.since = now
	}
	m.base = m.count
}

// rate answers events a second over the last window.
func (m *meter) rate(now int64) float64 {
	m.roll(now)
	rest := 1 - float64(now-m.since)/float64(meterWindow)
	events := float64(m.before)*rest + float64(m.count) - float64(m.base)
	return max(events, 0) / time.Duration(meterWindow).Seconds()
}
