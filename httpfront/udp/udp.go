// Package udp is the protocol server for UDP. It sends each datagram that
// arrives as a message on udp.receive, and sends each message to a reply channel
// as a datagram to the peer.
//
// The name of a reply channel holds the peer's address, so the server stores
// nothing about its peers, and a reply may come at any time.
package udp

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"asgibox/asgi"
	"asgibox/internal/logkey"
)

const (
	datagram = 64 << 10 // more than the longest datagram
	// maxData is the most data of a datagram over IPv4. Over IPv6 it is 20 bytes more.
	maxData = 65507
	// Limits of the replies that wait for a barrier.
	replies      = 20_000   // to all peers
	repliesBytes = 64 << 20 // of data to all peers
	peerReplies  = 1000     // to one peer
)

// Options configure a [Server]. The zero value works.
type Options struct {
	// Log receives problems with messages. Default: no log.
	Log *slog.Logger
}

// A Server turns datagrams into messages and back.
type Server struct {
	layer   asgi.Layer
	log     *slog.Logger
	prefix  string
	replies chan reply // wait for their barriers, in the order in which they were sent

	mu      sync.Mutex             // guards the rest
	waiting map[netip.AddrPort]int // how many of replies are not written, by peer
	bytes   int                    // of data in replies that are not written
}

// A reply is a datagram that waits for the data on which it depends to be stored.
type reply struct {
	channel string
	to      netip.AddrPort
	data    string
	barrier asgi.Barrier
}

// New returns a server on a layer.
func New(layer asgi.Layer, opts Options) *Server {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{layer: layer, log: opts.Log, prefix: asgi.UDPSend + letters() + "!", waiting: make(map[netip.AddrPort]int)}
}

func letters() string { return strings.ToLower(rand.Text()[:10]) }

// Serve serves on the socket until the context is done or reading fails. It
// returns nil in the first case. It closes the socket.
func (s *Server) Serve(ctx context.Context, conn net.PacketConn) error {
	s.replies = make(chan reply, replies)
	unbind, err := s.layer.Bind(s.prefix, func(d asgi.Delivery) error { return s.deliver(conn, d) })
	if err != nil {
		conn.Close()
		return fmt.Errorf("bind UDP reply channels %s: %w", s.prefix, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	written := make(chan struct{})
	go func() {
		defer close(written)
		s.writeReplies(conn)
	}()
	defer func() {
		stop()
		unbind()
		close(s.replies) // deliver is not called any more
		<-written        // accepted replies are still sent
		conn.Close()
	}()
	return s.read(ctx, conn)
}

func (s *Server) read(ctx context.Context, conn net.PacketConn) error {
	local := addrPort(conn.LocalAddr())
	buf := make([]byte, datagram)
	for {
		n, from, err := conn.ReadFrom(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("read datagrams on %s: %w", local, err)
		case err != nil:
			// An ICMP error about an earlier datagram to an unreachable peer.
			s.log.Debug("reading a datagram failed", logkey.Error, err)
			continue
		}
		s.receive(ctx, buf[:n], addrPort(from), local)
	}
}

// receive sends one datagram to the application. It drops the datagram if the
// channel is full, as networks do.
func (s *Server) receive(ctx context.Context, data []byte, from, local netip.AddrPort) {
	m, err := asgi.NewMessage(
		asgi.Field{Key: asgi.KeyReplyChannel, Value: s.prefix + encode(from)},
		asgi.Field{Key: asgi.KeyData, Value: asgi.Bytes(data)},
		asgi.Field{Key: asgi.KeyClient, Value: pair(from)},
		asgi.Field{Key: asgi.KeyServer, Value: pair(local)},
	)
	if err == nil {
		err = s.layer.Send(ctx, asgi.NewCause(asgi.NewTrace()), asgi.UDPReceive, m, asgi.Volatile)
	}
	if err != nil {
		s.log.Debug("a datagram was dropped", logkey.Client, from, logkey.Error, err)
	}
}

// deliver receives every reply. The layer calls it on the sender's goroutine.
func (s *Server) deliver(conn net.PacketConn, d asgi.Delivery) error {
	to, ok := decode(strings.TrimPrefix(d.Channel, s.prefix))
	if !ok {
		return asgi.ErrGone
	}
	if d.Probe {
		return nil
	}
	data, err := parse(d.Message)
	if err != nil {
		s.log.Warn("a datagram cannot be sent", logkey.Channel, d.Channel, logkey.Problem, err)
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting[to] == 0 && d.Barrier.Passed() {
		s.write(conn, to, data)
		return nil
	}
	if s.waiting[to] < peerReplies && s.bytes+len(data) <= repliesBytes {
		select {
		case s.replies <- reply{d.Channel, to, data, d.Barrier}:
			s.waiting[to]++
			s.bytes += len(data)
			return nil
		default:
		}
	}
	return &asgi.ChannelFullError{Channel: d.Channel, Reason: fmt.Sprintf("%d datagrams to this peer, and %d bytes to all, wait for the disk", s.waiting[to], s.bytes)}
}

// writeReplies writes replies when their barriers have passed, until no more come.
func (s *Server) writeReplies(conn net.PacketConn) {
	for r := range s.replies {
		s.writeReply(conn, r)
	}
}

func (s *Server) writeReply(conn net.PacketConn, r reply) {
	if err := r.barrier.Wait(context.Background()); err != nil {
		s.log.Error("a datagram was not sent because its data could not be stored", logkey.Channel, r.channel, logkey.Error, err)
	} else {
		s.write(conn, r.to, r.data)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes -= len(r.data)
	if s.waiting[r.to]--; s.waiting[r.to] == 0 {
		delete(s.waiting, r.to)
	}
}

func (s *Server) write(conn net.PacketConn, to netip.AddrPort, data string) {
	if _, err := conn.WriteTo([]byte(data), net.UDPAddrFromAddrPort(to)); err != nil {
		s.log.Debug("a datagram could not be sent", logkey.Client, to, logkey.Error, err)
	}
}

// parse returns the data of a reply.
func parse(m asgi.Message) (string, error) {
	v, _ := m.Get(asgi.KeyData)
	data, ok := asgi.Octets(v)
	if !ok {
		return "", errors.New("data: it must be a byte string")
	}
	if len(data) > maxData {
		return "", fmt.Errorf("data: it has %d bytes; a datagram has at most %d", len(data), maxData)
	}
	return data, nil
}

func addrPort(a net.Addr) netip.AddrPort {
	if u, ok := a.(*net.UDPAddr); ok {
		p := u.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	p, _ := netip.ParseAddrPort(a.String())
	return p
}

func pair(a netip.AddrPort) any {
	return []any{a.Addr().String(), int64(a.Port())}
}

// encode returns an address as the local part of a channel name. The zone of a
// link-local address may hold any character, so it is in hex too.
func encode(a netip.AddrPort) string {
	name := hex.EncodeToString(a.Addr().WithZone("").AsSlice()) + "-" + strconv.Itoa(int(a.Port()))
	if zone := a.Addr().Zone(); zone != "" {
		name += "-" + hex.EncodeToString([]byte(zone))
	}
	return name
}

func decode(name string) (netip.AddrPort, bool) {
	host, rest, _ := strings.Cut(name, "-")
	port, zone, _ := strings.Cut(rest, "-")
	raw, err := hex.DecodeString(host)
	addr, ok := netip.AddrFromSlice(raw)
	n, err2 := strconv.ParseUint(port, 10, 16)
	z, err3 := hex.DecodeString(zone)
	if !ok || errors.Join(err, err2, err3) != nil {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr.WithZone(string(z)), uint16(n)), true
}
