package bench

import (
	"fmt"
	"io"
	"sync"
	"time"

	"asgibox/internal/command"
	"asgibox/internal/load"
)

// showProgress shows the progress in one line until the caller calls stop, which
// removes the line. It does nothing if w is not a terminal.
func showProgress(w io.Writer, m *load.Meter, duration time.Duration, operation string) (stop func()) {
	if !command.OnTerminal(w) {
		return func() {}
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer fmt.Fprint(w, "\r\x1b[K")
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		var before int64
		last := time.Now()
		for {
			fmt.Fprint(w, "\r\x1b[K", progressLine(m, duration, operation, before, time.Since(last)))
			before, last = m.Completed(), time.Now()
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
	}
}

// progressLine returns the progress, with the rate since the last line.
func progressLine(m *load.Meter, duration time.Duration, operation string, before int64, since time.Duration) string {
	elapsed := m.Elapsed()
	if elapsed == 0 {
		return "connecting"
	}
	completed := m.Completed()
	line := fmt.Sprintf("%s of %s  %s  %s/s  p50 %s", seconds(elapsed.Seconds()), seconds(duration.Seconds()), count(completed, operation),
		number(int64(float64(completed-before)/since.Seconds())), short(milliseconds(m.Latencies.Quantile(0.5))))
	if n := m.Failed(); n > 0 {
		line += fmt.Sprintf("  %s failed", number(n))
	}
	return line
}
