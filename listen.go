package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"

	"asgibox/httpfront"
)

// open listens wherever the flags say, before anything else is started: a
// taken port is told by name and costs nothing.
func (o listenOptions) open() (listeners []net.Listener, err error) {
	defer func() {
		if err != nil {
			closeAll(listeners)
		}
	}()
	if o.unix != "" {
		l, err := httpfront.ListenUnix(o.unix)
		if err != nil {
			return listeners, err
		}
		listeners = append(listeners, l)
	}
	if o.fd >= 0 {
		l, err := httpfront.ListenFD(o.fd)
		if err != nil {
			return listeners, err
		}
		listeners = append(listeners, l)
	}
	binds := o.binds
	if len(binds) == 0 && (len(listeners) == 0 || o.asked) {
		binds = []string{"127.0.0.1"}
	}
	port := o.port
	for _, bind := range binds {
		l, err := listenTCP(bind, port)
		if err != nil {
			return listeners, err
		}
		listeners = append(listeners, l)
		port = l.Addr().(*net.TCPAddr).Port // all share the one that was picked
	}
	return listeners, nil
}

func listenTCP(bind string, port int) (net.Listener, error) {
	address := net.JoinHostPort(bind, strconv.Itoa(port))
	l, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE) || isTaken(err):
		return nil, fmt.Errorf("%s is taken by another program: end that, or choose a port with --port (0 picks a free one)", address)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("%s may not be listened on by this user: choose a port from 1024 with --port", address)
	}
	return nil, fmt.Errorf("cannot listen on %s: %w", address, reason(err))
}

// listenUDP listens for datagrams; nil without --udp.
func (o *options) listenUDP() (net.PacketConn, error) {
	if o.listen.udp == "" {
		return nil, nil
	}
	c, err := net.ListenPacket("udp", o.listen.udp)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on --udp %s: %w", o.listen.udp, reason(err))
	}
	return c, nil
}

// isTaken knows Windows's word for it.
func isTaken(err error) bool {
	const wsaAddrInUse = syscall.Errno(10048)
	return errors.Is(err, wsaAddrInUse)
}

// reason strips what the message says already.
func reason(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

// urls is where a browser finds what listens; the inspector's page takes
// localhost for every address.
func urls(listeners []net.Listener, secure bool) []string {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	var all []string
	for _, l := range listeners {
		addr, ok := l.Addr().(*net.TCPAddr)
		if !ok {
			all = append(all, "unix:"+l.Addr().String())
			continue
		}
		host := addr.IP.String()
		if addr.IP.IsUnspecified() {
			host = "localhost"
		}
		all = append(all, scheme+"://"+net.JoinHostPort(host, strconv.Itoa(addr.Port))+"/")
	}
	return all
}
