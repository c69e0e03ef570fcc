package httpfront

import (
	"sync"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

// maxKeptBodies is how many requests that are over keep the pieces of their bodies
// that the application has not read. Without a limit, clients could fill the memory
// of all channels with uploads that no handler reads.
const maxKeptBodies = 32

// keptBodies holds the body channels of the last requests that are over.
type keptBodies struct {
	mu   sync.Mutex // guards the rest
	ring [maxKeptBodies]string
	next int
}

// add adds a channel and returns the one whose place it takes, or "".
func (k *keptBodies) add(channel string) (oldest string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	oldest, k.ring[k.next] = k.ring[k.next], channel
	k.next = (k.next + 1) % maxKeptBodies
	return oldest
}

// keepBody keeps the unread pieces of a body whose request is over, and drops
// those of an earlier request.
func (s *Server) keepBody(channel string) {
	oldest := s.kept.add(channel)
	if oldest == "" {
		return
	}
	if err := s.dropBody(oldest); err != nil {
		s.log.Debug("the rest of a request body could not be dropped", logkey.Channel, oldest, logkey.Error, err)
	}
}

// dropBody drops the unread pieces of a body. If there are any, it tells the reader
// that the rest will not come.
func (s *Server) dropBody(channel string) error {
	cause := s.cause()
	for dropped := false; ; dropped = true {
		_, ok, err := s.layer.Poll(s.life, cause, channel)
		switch {
		case err != nil:
			return err
		case ok:
			continue
		case !dropped:
			return nil
		}
		m, err := pieceMessage(nil, false, true)
		if err != nil {
			return err
		}
		return s.layer.Send(s.life, cause, channel, m, asgi.Volatile)
	}
}
