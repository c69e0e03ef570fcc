package remote

import (
	"cmp"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"asgibox/asgi"
)

// A Reader is a program that receives messages over HTTP or a socket, for example a worker.
// Programs on the same machine with the same User-Agent count as one.
type Reader struct {
	Host     string   // address of its machine; "unix" for a Unix socket
	Agent    string   // its User-Agent
	Channels []string // of its last receive, at most 100
	Waiting  int      // receives that wait for a message
	Received uint64   // messages
	Seen     time.Time

	// The last message that it received. Channel is empty if there is none.
	Channel string
	Trace   asgi.TraceID
	At      time.Time
}

// readerLifetime is how long a reader that does not call is remembered.
const readerLifetime = time.Minute

// maxReaders is how many readers are remembered.
const maxReaders = 100

// maxReaderChannels is how many channels of a reader are remembered.
const maxReaderChannels = 100

// readers remembers who receives.
type readers struct {
	mu  sync.Mutex // guards all
	all map[readerKey]*Reader
}

type readerKey struct{ host, agent string }

// readerOf returns the program that sent a request.
func readerOf(r *http.Request) readerKey {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr // of a Unix socket
	}
	return readerKey{host, r.UserAgent()}
}

// began notes that a receive begins. The function that it returns notes its end,
// with the message that it returned, or nil. A program without a name is not
// remembered.
func (r *readers) began(key readerKey, channels []string) func(*asgi.Delivery) {
	if key == (readerKey{}) {
		return func(*asgi.Delivery) {}
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	one := r.all[key]
	if one == nil {
		r.forgetLocked(now)
		if len(r.all) >= maxReaders {
			return func(*asgi.Delivery) {}
		}
		one = &Reader{Host: key.host, Agent: key.agent}
		if r.all == nil {
			r.all = make(map[readerKey]*Reader)
		}
		r.all[key] = one
	}
	if channels = channels[:min(len(channels), maxReaderChannels)]; asgi.CheckReceiveAll(channels) == nil {
		one.Channels = slices.Clone(channels)
	}
	one.Seen = now
	one.Waiting++
	return func(d *asgi.Delivery) {
		now := time.Now()
		r.mu.Lock()
		defer r.mu.Unlock()
		one.Waiting--
		one.Seen = now
		if d != nil {
			one.Received++
			one.Channel, one.Trace, one.At = d.Channel, d.Trace, now
		}
	}
}

func (r *readers) forgetLocked(now time.Time) {
	for key, one := range r.all {
		if one.Waiting == 0 && now.Sub(one.Seen) > readerLifetime {
			delete(r.all, key)
		}
	}
}

// Readers returns the programs that receive messages over HTTP, or did in the last
// minute, in order of their hosts and agents.
func (h *Handler) Readers() []Reader {
	h.readers.mu.Lock()
	defer h.readers.mu.Unlock()
	h.readers.forgetLocked(time.Now())
	list := make([]Reader, 0, len(h.readers.all))
	for _, one := range h.readers.all {
		list = append(list, *one)
	}
	slices.SortFunc(list, func(a, b Reader) int { return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Agent, b.Agent)) })
	return list
}
