// Package udp is the protocol server for UDP: a datagram that arrives is a
// message on udp.receive, and a message to its reply channel is a datagram to
// whence it came.
//
// A reply channel carries the peer's address in its name, so nothing has to be
// remembered of anybody, and an answer may come at any time.
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
	"sync/atomic"
	"time"

	"asgibox/asgi"
)

const (
	channelReceive = "udp.receive"
	datagram       = 64 << 10 // no datagram is longer
	// What waits for the disk, over all peers.
	waitingMessages = 1000
)

// Options are how a [Server] is set up. The zero value works.
type Options struct {
	// Log gets what is wrong with messages. Default: nothing.
	Log *slog.Logger
}

// A Server turns datagrams into messages and back.
type Server struct {
	layer   asgi.Layer
	log     *slog.Logger
	prefix  string
	waiting atomic.Int64   // datagrams before a barrier
	late    sync.WaitGroup // and those that are being written after one
}

// New makes a server on a layer.
func New(layer asgi.Layer, opts Options) *Server {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{layer: layer, log: opts.Log, prefix: "udp.send." + letters() + "!"}
}

func letters() string { return strings.ToLower(rand.Text()[:10]) }

// Serve serves on the socket until the context ends, which is no error, or
// reading fails. It closes the socket.
func (s *Server) Serve(ctx context.Context, conn net.PacketConn) error {
	unbind, err := s.layer.Bind(s.prefix, func(d asgi.Delivery) error { return s.deliver(conn, d) })
	if err != nil {
		conn.Close()
		return fmt.Errorf("binding the UDP reply channels %s: %w", s.prefix, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	defer func() {
		stop()
		unbind()
		s.late.Wait() // what was promised is sent
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
			return fmt.Errorf("reading datagrams on %s: %w", local, err)
		case err != nil:
			// An unreachable peer's word about an earlier datagram.
			s.log.Debug("reading a datagram failed", "error", err)
			continue
		}
		s.receive(ctx, buf[:n], addrPort(from), local)
	}
}

// receive sends one datagram on. Where there is no room it is dropped, as
// datagrams are.
func (s *Server) receive(ctx context.Context, data []byte, from, local netip.AddrPort) {
	m, err := asgi.NewMessage(
		asgi.Field{Key: "reply_channel", Value: s.prefix + encode(from)},
		asgi.Field{Key: "data", Value: asgi.Bytes(data)},
		asgi.Field{Key: "client", Value: pair(from)},
		asgi.Field{Key: "server", Value: pair(local)},
	)
	if err == nil {
		err = s.layer.Send(ctx, asgi.NewCause(asgi.NewTrace()), channelReceive, m, asgi.Volatile)
	}
	if err != nil {
		s.log.Debug("a datagram was dropped", "client", from, "error", err)
	}
}

// deliver is what the layer calls with every reply.
func (s *Server) deliver(conn net.PacketConn, d asgi.Delivery) error {
	to, ok := decode(strings.TrimPrefix(d.Channel, s.prefix))
	if !ok {
		return asgi.ErrGone
	}
	data, err := parse(d.Message)
	if err != nil {
		s.log.Warn("a datagram cannot be sent", "channel", d.Channel, "problem", err)
		return nil
	}
	if d.Barrier.Passed() {
		s.write(conn, to, data)
		return nil
	}
	if s.waiting.Add(1) > waitingMessages {
		s.waiting.Add(-1)
		return &asgi.ChannelFullError{Channel: d.Channel, Reason: "1000 datagrams wait for the disk"}
	}
	s.late.Add(1)
	d.Barrier.Notify(func(err error) {
		go func() { // what calls must not wait for a socket
			defer s.late.Done()
			defer s.waiting.Add(-1)
			if err != nil {
				s.log.Error("a datagram was not sent, since what it tells of could not be stored", "channel", d.Channel, "error", err)
				return
			}
			s.write(conn, to, data)
		}()
	})
	return nil
}

func (s *Server) write(conn net.PacketConn, to netip.AddrPort, data string) {
	if _, err := conn.WriteTo([]byte(data), net.UDPAddrFromAddrPort(to)); err != nil {
		s.log.Debug("a datagram could not be sent", "client", to, "error", err)
	}
}

// parse answers the data of a reply.
func parse(m asgi.Message) (string, error) {
	v, _ := m.Get("data")
	data, ok := asgi.Octets(v)
	if !ok {
		return "", errors.New("data: it must be a byte string")
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

// encode writes an address as the local part of a channel name; the zone of a
// link-local one, which may hold anything, in hex too.
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
