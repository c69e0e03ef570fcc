package load

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxUnderway is the number of messages that may be underway to the members if
	// there is no rate.
	maxUnderway = 8
	// maxCopies is the number of copies that may be underway in any case.
	maxCopies = 1 << 20
)

// Broadcast connects sockets, sends texts on one of them for the duration or until
// ctx ends, and waits until all sockets have received them. An operation is the
// delivery of a text to a socket. Its latency counts from the moment at which the
// text was sent or, with a rate, should have been sent.
//
// A socket receives texts in the order in which they are sent. So the n-th message
// that it receives is the n-th text. After a lost message, latencies are too long.
//
// Broadcast calls ready, if it is not nil, before the load begins.
func Broadcast(ctx context.Context, newSocket func() *Socket, o Options, m *Meter, ready func() error) error {
	a := &audience{meter: m, wake: make(chan struct{}, 1), failed: make(chan error, 1)}
	defer a.close()
	if err := a.connect(ctx, newSocket, o.Connections); err != nil {
		return err
	}
	if err := a.settle(ctx); err != nil {
		return err
	}
	if ready != nil {
		if err := ready(); err != nil {
			return err
		}
	}
	m.begin()
	defer m.end()
	a.measuring.Store(true)
	var err error
	if o.Rate > 0 {
		err = a.sendAtRate(ctx, newSchedule(o, m.started))
	} else {
		err = a.sendWhenDelivered(ctx, m.started.Add(o.Duration))
	}
	if err == nil {
		err = a.wait(ctx, func() bool { return a.underway() <= 0 })
	}
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, errNotDelivered):
		m.fail(err, a.underway())
	case err != nil:
		m.fail(err, 1)
	}
	return nil
}

// An audience is the sockets that receive the texts.
type audience struct {
	meter   *Meter
	members []*member
	readers sync.WaitGroup
	wake    chan struct{} // gets a value when all members have received a text, and if there is room
	failed  chan error    // the first error of a member

	measuring atomic.Bool
	sent      int64        // texts
	copies    atomic.Int64 // received messages of all members
	// times has the moments at which texts were sent, after the start.
	times [maxCopies]atomic.Int64
}

// A member is one of the sockets.
type member struct {
	*Socket
	got atomic.Int64 // received messages
}

// connect connects the members, which receive until the end of ctx or until they
// are closed.
func (a *audience) connect(ctx context.Context, newSocket func() *Socket, sockets int) error {
	for i := range sockets {
		m := &member{Socket: newSocket()}
		if err := m.Connect(ctx); err != nil {
			return connectError(err, i, sockets)
		}
		a.members = append(a.members, m)
		if err := m.conn.SetDeadline(time.Time{}); err != nil {
			return err
		}
		a.readers.Go(func() {
			err := a.read(m, int64(sockets))
			select {
			case a.failed <- err:
			default:
			}
		})
	}
	return nil
}

// read receives messages until there is an error.
func (a *audience) read(m *member, sockets int64) error {
	for {
		if err := m.receive(); err != nil {
			return err
		}
		n := m.got.Add(1)
		if a.measuring.Load() {
			sent := time.Duration(a.times[(n-1)%maxCopies].Load())
			a.meter.add(0, nil, time.Since(a.meter.started)-sent)
		}
		if a.copies.Add(1)%sockets == 0 {
			select {
			case a.wake <- struct{}{}:
			default:
			}
		}
	}
}

// close closes the members and waits for their readers.
func (a *audience) close() {
	for _, m := range a.members {
		m.cancel()
		m.conn.Close()
	}
	a.readers.Wait()
}

// send sends a text, for which the given moment counts as the start.
func (a *audience) send(moment time.Time) error {
	a.times[a.sent%maxCopies].Store(int64(moment.Sub(a.meter.started)))
	a.sent++
	first := a.members[0]
	if err := first.conn.SetWriteDeadline(time.Now().Add(first.server.Timeout)); err != nil {
		return err
	}
	return first.Socket.send()
}

// underway returns the number of copies that have not arrived.
func (a *audience) underway() int64 { return a.sent*int64(len(a.members)) - a.copies.Load() }

// sendWhenDelivered sends the next text when few are underway.
func (a *audience) sendWhenDelivered(ctx context.Context, end time.Time) error {
	few := func() bool { return a.sent-a.copies.Load()/int64(len(a.members)) < maxUnderway }
	for a.sent == 0 || time.Now().Before(end) {
		if err := a.wait(ctx, few); err != nil {
			return err
		}
		if err := a.send(time.Now()); err != nil {
			return err
		}
	}
	return nil
}

// sendAtRate sends each text when it is due.
func (a *audience) sendAtRate(ctx context.Context, s *schedule) error {
	members := int64(len(a.members))
	room := func() bool { return a.underway()+members <= maxCopies }
	for number := range s.total {
		if err := a.wait(ctx, room); err != nil {
			return err
		}
		from, start := s.await(ctx, number)
		if !start {
			s.skip(ctx, from, members, a.meter)
			continue
		}
		if err := a.send(from); err != nil {
			return err
		}
	}
	sleepUntil(ctx, s.end)
	return ctx.Err()
}

var errNotDelivered = &opError{Lost, errors.New("messages did not reach every member")}

// wait waits until the condition holds. It fails if a member has failed, or if no
// text reaches the last member within the time limit.
func (a *audience) wait(ctx context.Context, holds func() bool) error {
	limit := a.members[0].server.Timeout
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	for {
		select {
		case err := <-a.failed:
			return err
		default:
		}
		if holds() {
			return nil
		}
		select {
		case <-a.wake:
			timeout.Reset(limit)
		case err := <-a.failed:
			return err
		case <-timeout.C:
			return errNotDelivered
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// settle sends until a text has reached all members, because a server may accept a
// handshake before it adds the socket to the group. Then it waits until no more
// messages arrive, and counts from zero.
func (a *audience) settle(ctx context.Context) error {
	const (
		step  = 10 * time.Millisecond
		quiet = 5  // steps without a message after which no more will come
		again = 20 // steps without a message after which the text is sent again
	)
	first := a.members[0]
	unchanged, before := again, int64(0)
	for start := time.Now(); time.Since(start) < first.server.Timeout; {
		if unchanged >= again {
			if err := first.Socket.send(); err != nil {
				return err
			}
			unchanged = 0
		}
		select {
		case err := <-a.failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(step):
		}
		unchanged++
		if now := a.copies.Load(); now != before {
			unchanged, before = 0, now
		}
		if unchanged < quiet || !a.allHaveReceived() {
			continue
		}
		for _, m := range a.members {
			m.got.Store(0)
		}
		a.copies.Store(0)
		return nil
	}
	return errors.New("no text reached every connection; does the server send each message to all of them?")
}

func (a *audience) allHaveReceived() bool {
	for _, m := range a.members {
		if m.got.Load() == 0 {
			return false
		}
	}
	return true
}
