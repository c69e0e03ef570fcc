package httpfront

import (
	"context"
	"errors"
	"sync"
	"time"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

// Limits of what remains of the bodies of requests that are over. Without limits,
// clients could fill the memory of all channels with uploads that no handler reads.
const (
	maxKeptBodies = 16 << 20 // bytes of all unread pieces
	maxEnds       = 1024     // messages that end a body whose pieces were dropped
)

// piecesOnChannel is the most pieces that wait on a body channel, if the layer does
// not say how many do.
const piecesOnChannel = 16

// keptBodies holds the body channels of requests that are over. The pieces that wait
// on them are dropped after the expiry of the layer, or when they exceed
// maxKeptBodies, the oldest first.
type keptBodies struct {
	mu      sync.Mutex // guards the rest
	list    []keptBody // oldest first
	bytes   int64
	timer   *time.Timer // for the first of the list; nil if none runs
	stopped bool
	ends    [maxEnds]bodyEnd // a ring
	next    int

	running sync.WaitGroup // functions of timers
}

// A bodyEnd is a message that ends a body whose pieces were dropped.
type bodyEnd struct {
	channel string
	stop    context.CancelFunc // ends its wait for room
}

type keptBody struct {
	channel string
	bytes   int64
	due     time.Time
}

// keepBody keeps the unread pieces of a body whose request is over.
func (s *Server) keepBody(channel string) {
	pieces := piecesOnChannel
	if s.statistics != nil {
		stats, err := s.statistics.ChannelStatistics(s.life, channel)
		if err == nil {
			pieces = stats.MessagesPending
		}
	}
	if pieces == 0 {
		return
	}
	k := &s.kept
	k.mu.Lock()
	b := keptBody{channel, int64(pieces) * s.pieceSize(), time.Now().Add(s.set.Expiry)}
	k.list = append(k.list, b)
	k.bytes += b.bytes
	drop := s.dueBodiesLocked()
	k.mu.Unlock()
	s.dropBodies(drop)
}

// dueBodiesLocked removes and returns the bodies to drop now, and sets the timer for
// the next one.
func (s *Server) dueBodiesLocked() (drop []keptBody) {
	k, n, now := &s.kept, 0, time.Now()
	for ; n < len(k.list) && (k.bytes > maxKeptBodies || !now.Before(k.list[n].due)); n++ {
		k.bytes -= k.list[n].bytes
	}
	drop, k.list = k.list[:n:n], k.list[n:]
	if k.timer == nil && len(k.list) > 0 && !k.stopped {
		k.running.Add(1)
		k.timer = time.AfterFunc(k.list[0].due.Sub(now), func() {
			defer k.running.Done()
			k.mu.Lock()
			k.timer = nil
			drop := s.dueBodiesLocked()
			k.mu.Unlock()
			s.dropBodies(drop)
		})
	}
	return drop
}

// stop ends the timer and waits for its function.
func (k *keptBodies) stop() {
	k.mu.Lock()
	k.stopped = true
	if k.timer != nil && k.timer.Stop() {
		k.running.Done()
	}
	k.mu.Unlock()
	k.running.Wait()
}

func (s *Server) dropBodies(bodies []keptBody) {
	for _, b := range bodies {
		if s.drop(b.channel) > 0 {
			s.endBody(b.channel)
		}
	}
}

// drop drops the messages that wait on a channel and returns how many it dropped.
func (s *Server) drop(channel string) (n int) {
	for ; ; n++ {
		_, ok, err := s.layer.Poll(s.life, nil, channel)
		if err != nil {
			s.log.Debug("the rest of a request body could not be dropped", logkey.Channel, channel, logkey.Error, err)
		}
		if !ok || err != nil {
			return n
		}
	}
}

// endBody sends the message that ends a body on a channel whose pieces were dropped.
// It is dropped when maxEnds others have been sent.
func (s *Server) endBody(channel string) {
	ctx, stop := context.WithTimeout(s.life, s.set.Expiry)
	if s.sendEnd(channel) {
		stop()
	} else {
		s.conns.retain()
		go func() { // all channels together are full
			defer s.conns.done()
			defer stop()
			if m, err := pieceMessage(nil, false, true, 0); err == nil {
				s.sendWhenRoom(ctx, s.cause(), forever, channel, m, asgi.Lasting)
			}
		}()
	}
	k := &s.kept
	k.mu.Lock()
	oldest := k.ends[k.next]
	k.ends[k.next] = bodyEnd{channel, stop}
	k.next = (k.next + 1) % maxEnds
	k.mu.Unlock()
	if oldest.stop != nil {
		oldest.stop()
		s.drop(oldest.channel)
	}
}

// sendEnd tells the reader of a body that the rest will not come. It reports whether
// there was room.
func (s *Server) sendEnd(channel string) bool {
	m, err := pieceMessage(nil, false, true, 0)
	if err == nil {
		err = s.layer.Send(s.life, s.cause(), channel, m, asgi.Volatile, asgi.Lasting)
	}
	if err != nil && !errors.Is(err, asgi.ErrChannelFull) {
		s.log.Debug("the end of a request body could not be sent", logkey.Channel, channel, logkey.Error, err)
	}
	return !errors.Is(err, asgi.ErrChannelFull)
}
