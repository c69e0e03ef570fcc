package httpfront

import (
	"errors"
	"sync"
	"time"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

// maxDisconnects is how many disconnect messages may wait for room before handshakes are
// refused. Each needs less than 1 KB, and its path.
const maxDisconnects = 10_000

// disconnects are the messages on websocket.disconnect that wait for room or for a layer
// that cannot be reached. While there are any, one goroutine sends them in order. So an
// ended WebSocket holds neither its memory nor a goroutine.
type disconnects struct {
	mu       sync.Mutex // guards the rest
	waiting  []disconnect
	reported time.Time // when it was last logged that too many wait
}

type disconnect struct {
	message asgi.Message
	ended   time.Time
}

// tooMany reports whether handshakes must be refused.
func (q *disconnects) tooMany() bool { return q.count() >= maxDisconnects }

func (q *disconnects) count() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// next removes the first message, which was sent, and returns the one after it.
func (q *disconnects) next() (d disconnect, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting[0] = disconnect{}
	if q.waiting = q.waiting[1:]; len(q.waiting) == 0 {
		q.waiting = nil
		return d, false
	}
	return q.waiting[0], true
}

// disconnect sends a message on websocket.disconnect, now or later. Its connection must
// still count in the registry.
func (s *Server) disconnect(m asgi.Message) {
	// If senders do not take turns, a new message must not take the room of those that wait.
	if s.acceptors != nil || s.disconnects.count() == 0 {
		err := s.layer.Send(s.life, s.cause(), asgi.WebSocketDisconnect, m, asgi.Volatile)
		if err == nil || !passes(err) {
			s.disconnected(m, err)
			return
		}
	}
	q := &s.disconnects
	q.mu.Lock()
	defer q.mu.Unlock()
	d := disconnect{m, time.Now()}
	if q.waiting = append(q.waiting, d); len(q.waiting) == 1 {
		s.conns.retain()
		go s.sendDisconnects(d)
	}
	if len(q.waiting) >= maxDisconnects && d.ended.Sub(q.reported) > unreadInterval {
		q.reported = d.ended
		s.log.Warn("WebSocket handshakes get 503, because too many messages wait for room; check that the consumer of websocket.disconnect is fast enough",
			logkey.Channel, asgi.WebSocketDisconnect, "waiting", len(q.waiting))
	}
}

// sendDisconnects sends the first of the messages that wait, and those after it.
func (s *Server) sendDisconnects(first disconnect) {
	defer s.conns.done()
	late := 0
	for d, ok := first, true; ok; d, ok = s.disconnects.next() {
		err := s.sendDisconnect(d)
		if err != nil && s.life.Err() != nil {
			late++
		} else {
			s.disconnected(d.message, err)
		}
	}
	if late > 0 {
		s.log.Warn("the server stopped before there was room for messages on websocket.disconnect", "count", late)
	}
}

// sendDisconnect waits until there is room for a message. If the layer does not know a
// reader of the channel, the message waits at most as long as it would live.
func (s *Server) sendDisconnect(d disconnect) error {
	for {
		err := s.sendWhenRoom(s.life, s.cause(), s.set.Expiry-time.Since(d.ended), asgi.WebSocketDisconnect, d.message)
		if !errors.Is(err, asgi.ErrChannelFull) || s.acceptors == nil || !s.hasReader(asgi.WebSocketDisconnect) || s.life.Err() != nil {
			return err
		}
		d.ended = time.Now()
	}
}

// disconnected logs the error of a message that was not sent.
func (s *Server) disconnected(m asgi.Message, err error) {
	if err != nil {
		s.log.Warn("could not send websocket.disconnect", logkey.Channel, m.Text(asgi.KeyReplyChannel), keyCode, m.Int(asgi.KeyCode), logkey.Error, err)
	}
}
