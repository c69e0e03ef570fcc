package httpfront

import (
	"errors"
	"sync"
	"time"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

// maxDisconnects is how many disconnect messages may wait for room before handshakes are
// refused. Each needs less than 1 KB and its path, and the first of a path a goroutine.
const maxDisconnects = 10_000

// disconnects are the messages on websocket.disconnect that wait for room or for a layer
// that cannot be reached. One goroutine for each path sends the path's messages in order,
// so those of one route do not wait behind those of another. They do not need their
// WebSockets.
type disconnects struct {
	mu       sync.Mutex              // guards the rest
	waiting  map[string][]disconnect // by path
	count    int                     // how many wait
	late     int                     // how many the end of the server has lost
	reported time.Time               // when it was last logged that too many wait
}

type disconnect struct {
	message asgi.Message
	ended   time.Time
}

// tooMany reports whether handshakes must be refused.
func (q *disconnects) tooMany() bool { return q.length() >= maxDisconnects }

func (q *disconnects) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.count
}

// next removes the first message of a path, which was sent or is late, and returns the
// one after it.
func (q *disconnects) next(path string, late bool) (d disconnect, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.count--
	if late {
		q.late++
	}
	rest := q.waiting[path]
	rest[0] = disconnect{}
	if rest = rest[1:]; len(rest) == 0 {
		delete(q.waiting, path)
		return d, false
	}
	q.waiting[path] = rest
	return rest[0], true
}

// allLate returns how many messages are late, once none waits.
func (q *disconnects) allLate() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.count > 0 {
		return 0
	}
	late := q.late
	q.late = 0
	return late
}

// disconnect sends a message on websocket.disconnect, now or later. Its connection must
// still count in the registry.
func (s *Server) disconnect(m asgi.Message) {
	q := &s.disconnects
	path := "" // one queue, on a layer where senders do not take turns
	if s.acceptors != nil {
		path = m.Text(asgi.KeyPath)
	}
	// If senders do not take turns, a new message must not take the room of those that wait.
	if s.acceptors != nil || q.length() == 0 {
		err := s.layer.Send(s.life, s.cause(), asgi.WebSocketDisconnect, m, asgi.Volatile)
		if err == nil || !passes(err) {
			s.disconnected(m, err)
			return
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting == nil {
		q.waiting = map[string][]disconnect{}
	}
	d := disconnect{m, time.Now()}
	q.waiting[path] = append(q.waiting[path], d)
	q.count++
	if len(q.waiting[path]) == 1 {
		s.conns.retain()
		go s.sendDisconnects(path, d)
	}
	if q.count >= maxDisconnects && d.ended.Sub(q.reported) > unreadInterval {
		q.reported = d.ended
		s.log.Warn("WebSocket handshakes get 503, because too many messages wait for room; check that the consumer of websocket.disconnect is fast enough",
			logkey.Channel, asgi.WebSocketDisconnect, "waiting", q.count)
	}
}

// sendDisconnects sends d, the first message of a path that waits, and those after it.
func (s *Server) sendDisconnects(path string, d disconnect) {
	defer s.conns.done()
	for ok := true; ok; {
		err := s.sendDisconnect(d)
		late := err != nil && s.life.Err() != nil
		if !late {
			s.disconnected(d.message, err)
		}
		d, ok = s.disconnects.next(path, late)
	}
	if late := s.disconnects.allLate(); late > 0 {
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
