package store

import "time"

// meterWindow is how far back a meter's rate looks.
const meterWindow = int64(5 * time.Second)

// A meter counts, and knows how many of it were a second ago: the current
// window, and of the one before as much as makes the span full.
type meter struct {
	count        uint64
	windowStart  int64  // the window's start
	countAtStart uint64 // the count then
	previous     uint64 // counted in the window before
}

func (m *meter) add(now int64) {
	if now-m.windowStart >= meterWindow {
		m.roll(now)
	}
	m.count++
}

func (m *meter) roll(now int64) {
	switch age := now - m.windowStart; {
	case age < meterWindow:
		return
	case age < 2*meterWindow:
		m.previous = m.count - m.countAtStart
		m.windowStart += meterWindow
	default:
		m.previous = 0
		m.windowStart = now
	}
	m.countAtStart = m.count
}

// rate answers events a second over the last window.
func (m *meter) rate(now int64) float64 {
	m.roll(now)
	rest := 1 - float64(now-m.windowStart)/float64(meterWindow)
	events := float64(m.previous)*rest + float64(m.count) - float64(m.countAtStart)
	return max(events, 0) / time.Duration(meterWindow).Seconds()
}
