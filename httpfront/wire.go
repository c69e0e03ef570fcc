package httpfront

import (
	"encoding/binary"
	"io"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// corkSize is how many bytes a corked wire gathers before they must be written.
const corkSize = 32 << 10

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// A wire is the connection beneath a WebSocket. While it is corked, it gathers
// frames and sends them in one write. A frame that comes while a write is
// blocked joins the next one, so that only the writing goroutine waits for a
// slow client. A wire without gathered frames holds no buffer.
type wire struct {
	net.Conn
	blocked atomic.Int64 // start of the running write in Unix nanoseconds, or zero

	mu       sync.Mutex // guards the rest
	written  int64      // bytes that were written, or are being written
	buf      *[]byte
	corked   bool
	flushing bool
	closing  bool // close the connection when everything is written
	failed   bool // Close shuts only the sending half, and drain closes the connection
	err      error
	last     bool // only a close frame follows what is gathered
	ended    bool // a close frame was gathered; no frame may follow
}

// frame gathers or writes a whole frame. It fails with [net.ErrClosed] after a
// close frame, because no frame may follow.
func (w *wire) frame(op byte, payload string) error {
	w.mu.Lock()
	switch {
	case w.err != nil:
		defer w.mu.Unlock()
		return w.err
	case w.ended:
		w.mu.Unlock()
		return net.ErrClosed
	}
	w.ended = op == opClose
	w.bufferLocked()
	b := append(*w.buf, 0x80|op)
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n <= math.MaxUint16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	*w.buf = append(b, payload...)
	return w.gatheredUnlock()
}

// close gathers or writes the last frame.
func (w *wire) close(e ending) {
	p := binary.BigEndian.AppendUint16(nil, uint16(e.code))
	w.frame(opClose, string(p)+e.reason) // an error ends the reader
}

func (w *wire) bufferLocked() {
	if w.buf == nil {
		w.buf = buffers.Get().(*[]byte)
	}
}

// gatheredUnlock writes the gathered frames unless that must wait.
func (w *wire) gatheredUnlock() error {
	if w.corked || w.flushing {
		w.mu.Unlock()
		return nil
	}
	return w.flushUnlock()
}

const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10

	flagCompressed = 0x40
)

// cork makes the wire gather frames.
func (w *wire) cork() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.corked = true
}

// full reports whether the gathered frames must be written now.
func (w *wire) full() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf != nil && len(*w.buf) >= corkSize
}

// flush uncorks the wire and writes the gathered frames.
func (w *wire) flush() error {
	w.mu.Lock()
	w.corked = false
	if w.flushing || w.err != nil {
		defer w.mu.Unlock()
		return w.err
	}
	return w.flushUnlock()
}

// flushLast is flush before a close frame. It fails if the client reads nothing for
// slowTimeout, because nothing pings it any more.
func (w *wire) flushLast() {
	w.mu.Lock()
	w.last = true
	w.mu.Unlock()
	w.flush()
}

func (w *wire) flushUnlock() error {
	defer w.mu.Unlock()
	w.flushing = true
	for w.buf != nil && len(*w.buf) > 0 && w.err == nil {
		out := w.buf
		w.buf = nil
		w.mu.Unlock()
		err := w.writePieces(*out)
		if cap(*out) <= 4*corkSize {
			*out = (*out)[:0]
			buffers.Put(out)
		}
		w.mu.Lock()
		if err != nil {
			w.err = err
		}
	}
	w.flushing = false
	if w.closing {
		w.closeLocked()
	}
	return w.err
}

// writePieces writes at most corkSize bytes at a time, so that the progress of a
// long write can be seen.
func (w *wire) writePieces(p []byte) error {
	defer w.blocked.Store(0)
	for len(p) > 0 {
		piece := p[:min(len(p), corkSize)]
		w.mu.Lock()
		w.written += int64(len(piece))
		switch {
		case w.closing || w.ended:
			w.Conn.SetWriteDeadline(time.Now().Add(silenceLimit))
		case w.last:
			w.Conn.SetWriteDeadline(time.Now().Add(slowTimeout))
		}
		w.mu.Unlock()
		w.blocked.Store(time.Now().UnixNano())
		n, err := w.Conn.Write(piece)
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// Close closes the connection when the gathered frames are written, because a
// close frame may wait behind another goroutine's write, or when nothing has
// been written for silenceLimit. Reading ends at once.
func (w *wire) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closing = true
	if w.err == nil && (w.flushing || w.corked) {
		now := time.Now()
		w.Conn.SetReadDeadline(now)
		return w.Conn.SetWriteDeadline(now.Add(silenceLimit))
	}
	return w.closeLocked()
}

func (w *wire) closeLocked() error {
	if !w.failed {
		return w.Conn.Close()
	}
	if half, ok := w.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// drainTimeout is how long a client that has violated the protocol may send
// until its connection is closed.
const drainTimeout = time.Second

// fail ends reading at once and makes Close shut only the sending half.
func (w *wire) fail() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed = true
	w.Conn.SetReadDeadline(time.Now())
}

// drain closes the connection of a client that has violated the protocol, when
// the client has closed its half or after drainTimeout. If input were left, the
// close would reset the connection, and the client might not get the close
// frame. drain does nothing for other clients.
func (w *wire) drain() {
	w.mu.Lock()
	failed := w.failed
	w.mu.Unlock()
	if !failed {
		return
	}
	w.Conn.SetReadDeadline(time.Now().Add(drainTimeout))
	io.Copy(io.Discard, w.Conn)
	w.Conn.Close()
}

// delivered returns about how many bytes the client has read.
func (w *wire) delivered() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.written - unread(w.Conn)
}

// blockedFor returns how long the running write has been running.
func (w *wire) blockedFor() time.Duration {
	started := w.blocked.Load()
	if started == 0 {
		return 0
	}
	return time.Since(time.Unix(0, started))
}
