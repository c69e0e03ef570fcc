package httpfront

import (
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// cork is how much a wire holds before it is written though more may come.
const cork = 32 << 10

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// A wire is the connection beneath a WebSocket. While it is corked, frames are
// gathered and leave in one write; a frame that comes while a write is blocked
// joins the next one, so that nobody but the goroutine that writes waits for a
// slow client. A wire without frames to write holds no buffer.
type wire struct {
	net.Conn
	early   []byte       // what came before the upgrade was answered
	lost    atomic.Bool  // reading or writing has failed
	blocked atomic.Int64 // when the write that now runs began; Unix nanoseconds

	mu       sync.Mutex // guards the rest
	buf      *[]byte
	corked   bool
	flushing bool
	closing  bool // close once all is written
	err      error
	rest     int // bytes of the frame at the end of buf that are still to come
	code     int // of the close frame that was written
}

func (w *wire) Read(p []byte) (int, error) {
	if len(w.early) > 0 {
		n := copy(p, w.early)
		w.early = w.early[n:]
		return n, nil
	}
	n, err := w.Conn.Read(p)
	if err != nil {
		w.lost.Store(true)
	}
	return n, err
}

// Write takes the bytes of frames. The WebSocket library begins every frame
// with a write of its own.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	if w.err != nil {
		w.mu.Unlock()
		return 0, w.err
	}
	n := len(p)
	if w.rest == 0 {
		p = w.frameLocked(p)
	} else {
		w.rest -= n
	}
	if w.buf == nil {
		w.buf = buffers.Get().(*[]byte)
	}
	*w.buf = append(*w.buf, p...)
	if w.corked || w.flushing {
		w.mu.Unlock()
		return n, nil
	}
	return n, w.flushUnlock()
}

// frameLocked looks at the beginning of a frame and answers what to write. A
// close frame that would repeat a peer's reason that is not UTF-8 says 1007.
func (w *wire) frameLocked(p []byte) []byte {
	if len(p) < 2 {
		return p
	}
	header, length := 2, int(p[1]&0x7f)
	switch {
	case length == 126 && len(p) >= 4:
		header, length = 4, int(binary.BigEndian.Uint16(p[2:]))
	case length == 127 && len(p) >= 10:
		header, length = 10, int(binary.BigEndian.Uint64(p[2:]))
	}
	w.rest = header + length - len(p)
	if p[0]&0xf == opClose && len(p) >= 4 {
		w.code = int(binary.BigEndian.Uint16(p[2:]))
		if !utf8.Valid(p[4:]) {
			w.code = 1007
			return []byte{0x80 | opClose, 2, 1007 >> 8, 1007 & 0xff}
		}
	}
	return p
}

// control writes a ping or pong at the end of what is gathered.
func (w *wire) control(op byte, payload []byte) error {
	if w.closeCode() != 0 {
		return nil // nothing follows a close
	}
	_, err := w.Write(append([]byte{0x80 | op, byte(len(payload))}, payload...))
	return err
}

const (
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// hold corks the wire.
func (w *wire) hold() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.corked = true
}

// full reports whether it is time to write though more may come.
func (w *wire) full() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf != nil && len(*w.buf) >= cork
}

// flush uncorks the wire and writes what was gathered.
func (w *wire) flush() error {
	w.mu.Lock()
	w.corked = false
	if w.flushing || w.err != nil {
		defer w.mu.Unlock()
		return w.err
	}
	return w.flushUnlock()
}

func (w *wire) flushUnlock() error {
	defer w.mu.Unlock()
	w.flushing = true
	for w.buf != nil && len(*w.buf) > 0 && w.err == nil {
		out := w.buf
		w.buf = nil
		w.mu.Unlock()
		w.blocked.Store(time.Now().UnixNano())
		_, err := w.Conn.Write(*out)
		w.blocked.Store(0)
		if cap(*out) <= 4*cork {
			*out = (*out)[:0]
			buffers.Put(out)
		}
		w.mu.Lock()
		if err != nil {
			w.err = err
			w.lost.Store(true)
		}
	}
	w.flushing = false
	if w.closing {
		w.Conn.Close()
	}
	return w.err
}

// lastWrites is how long what stands before the end of a connection may take.
const lastWrites = 5 * time.Second

// Close ends the connection once what was gathered is written: a close frame
// may stand behind a write that another goroutine is about. Reading ends now.
func (w *wire) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closing = true
	if w.err == nil && (w.flushing || w.corked) {
		now := time.Now()
		w.Conn.SetReadDeadline(now)
		return w.Conn.SetWriteDeadline(now.Add(lastWrites))
	}
	return w.Conn.Close()
}

// blockedFor answers how long the write that now runs has been running.
func (w *wire) blockedFor() time.Duration {
	began := w.blocked.Load()
	if began == 0 {
		return 0
	}
	return time.Since(time.Unix(0, began))
}

// closeCode answers the code of the close frame that was written, or zero.
func (w *wire) closeCode() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.code
}
