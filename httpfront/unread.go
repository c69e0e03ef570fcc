package httpfront

import (
	"fmt"
	"time"

	"asgibox/internal/logkey"
)

// unreadInterval is the time between two log records about missing workers.
const unreadInterval = time.Minute

// startWorker says how to start a worker.
const startWorker = "start one on this machine, like: asgibox worker app.star"

// unattended reports whether no worker is known that receives from a channel.
func (s *Server) unattended(channel string) bool {
	return s.opts.Workerless && !s.hasReader(channel)
}

// reportUnattended logs that a request or handshake waits because no worker
// receives from its channel.
func (s *Server) reportUnattended(channel, path string) {
	if !s.unattended(channel) {
		return
	}
	now, last := time.Now().UnixNano(), s.unread.Load()
	if now-last < int64(unreadInterval) || !s.unread.CompareAndSwap(last, now) {
		return
	}
	s.log.Warn(fmt.Sprintf("no worker receives from %s, so a request waits; %s", channel, startWorker), logkey.Channel, channel, logkey.Path, path)
}
