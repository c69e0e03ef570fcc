package httpfront

import "time"

// silenceLimit is how long nothing may be written to a client that has closed
// its sending half until it counts as gone. A client that has closed the whole
// connection looks the same until a write fails.
const silenceLimit = 2 * time.Second

// left returns a channel that is closed when the client has closed its sending
// half or the connection has ended. It returns nil if clientLeft was called.
func (x *exchange) left() <-chan struct{} {
	if x.silence != nil {
		return nil
	}
	return x.t.left()
}

// clientLeft reports whether the connection has ended. If the client may have
// closed only its sending half, it starts the silence timer.
func (x *exchange) clientLeft() (gone bool, err error) {
	if x.t.lost() {
		return true, errAborted
	}
	x.silence = x.s.timer(silenceLimit)
	return false, nil
}

// silent returns the channel of the silence timer, or nil if it does not run.
func (x *exchange) silent() <-chan time.Time {
	if x.silence == nil {
		return nil
	}
	return x.silence.C
}
