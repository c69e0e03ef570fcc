package httpfront

import "time"

// watch starts watchInput after a delay.
func (c *conn) watch(x watcher, delay time.Duration) {
	c.watcher = x
	if c.timer == nil {
		c.timer = time.AfterFunc(delay, c.watchInput)
		return
	}
	c.timer.Reset(delay)
}

// watchInput reads ahead to notice the end of the input.
func (c *conn) watchInput() {
	defer func() { c.watchDone <- struct{}{} }()
	c.watcher.watching()
	c.in.ReadAhead() // Read notes the error
}

// unwatch ends the watching. The next request is read again from where
// watchInput has stopped.
func (c *conn) unwatch() {
	if c.watcher == nil {
		return
	}
	if !c.timer.Stop() {
		c.interrupt()
		<-c.watchDone
	}
	c.watcher = nil
}
