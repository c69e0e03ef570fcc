package store

import "time"

// meterWindow is the time over which a meter computes its rate.
const meterWindow = int64(5 * time.Second)

// A meter counts events and computes their rate. The rate covers the current
// window and the part of the previous one that makes up a full window.
type meter struct {
	count        uint64
	windowStart  int64
	countAtStart uint64 // of the window
	previous     uint64 // events in the previous window
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

// rate returns the events per second over the last window.
func (m *meter) rate(now int64) float64 {
	m.roll(now)
	rest := 1 - float64(now-m.windowStart)/float64(meterWindow)
	events := float64(m.previous)*rest + float64(m.count) - float64(m.countAtStart)
	return max(events, 0) / time.Duration(meterWindow).Seconds()
}
