package devserver

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"asgibox/httpfront"
	"asgibox/internal/guard"
)

// Open opens the listeners of the protocol server. It runs before anything else
// is started, so that a taken port is one clear error.
func (o *Listen) Open() (listeners []net.Listener, err error) {
	defer func() {
		if err != nil {
			closeAll(listeners)
		}
	}()
	if o.Unix != "" {
		l, err := httpfront.ListenUnix(o.Unix)
		if err != nil {
			return listeners, err
		}
		listeners = append(listeners, l)
	}
	if o.FD >= 0 {
		l, err := httpfront.ListenFD(o.FD)
		if err != nil {
			return listeners, err
		}
		listeners = append(listeners, l)
	}
	binds := o.Binds
	if len(binds) == 0 && (len(listeners) == 0 || o.PortGiven) {
		binds = []string{"127.0.0.1"}
	}
	port := o.Port
	for _, bind := range binds {
		l, err := listenTCP(bind, port)
		if err != nil {
			return listeners, err
		}
		listeners = append(listeners, l)
		port = l.Addr().(*net.TCPAddr).Port // a picked port is the same for all
	}
	return listeners, nil
}

func listenTCP(bind string, port int) (net.Listener, error) {
	address := net.JoinHostPort(bind, strconv.Itoa(port))
	l, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		return l, nil
	case isTaken(err):
		return nil, fmt.Errorf("cannot listen on %s: another program uses it; stop that program, or choose a port with --port (0 picks a free one)", address)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("cannot listen on %s: this user may not; choose a port from 1024 with --port", address)
	}
	return nil, fmt.Errorf("cannot listen on %s: %w", address, listenReason(err))
}

// openUDP opens the socket for datagrams. It returns nil without --udp.
func (o *Listen) openUDP() (net.PacketConn, error) {
	if o.UDP == "" {
		return nil, nil
	}
	address := o.UDP
	if strings.HasPrefix(address, ":") {
		address = "127.0.0.1" + address // like --bind and --control
	}
	c, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on --udp %s: %w", o.UDP, listenReason(err))
	}
	return c, nil
}

// isTaken reports whether listening failed because the address is in use.
func isTaken(err error) bool {
	const wsaAddrInUse = syscall.Errno(10048) // Windows
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, wsaAddrInUse)
}

// listenReason removes the address from an error, because our message has it.
func listenReason(err error) error {
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

// urls returns the addresses of the listeners as URLs for a browser on this
// machine.
func urls(listeners []net.Listener, secure bool) []string {
	scheme := schemeOf(secure)
	var all []string
	for _, l := range listeners {
		if addr, ok := l.Addr().(*net.TCPAddr); ok {
			all = append(all, browserURL(scheme, addr))
		} else {
			all = append(all, "unix:"+l.Addr().String())
		}
	}
	return all
}

func schemeOf(secure bool) string {
	if secure {
		return "https"
	}
	return "http"
}

// networkURLs returns the addresses under which browsers on other machines may
// reach the listeners that listen on all addresses of this machine.
func networkURLs(listeners []net.Listener, secure bool) (all []string) {
	for _, l := range listeners {
		addr, ok := l.Addr().(*net.TCPAddr)
		if !ok || !addr.IP.IsUnspecified() {
			continue
		}
		own, err := net.InterfaceAddrs()
		if err != nil {
			continue // the address is only a help
		}
		onlyIPv4 := addr.IP.To4() != nil
		for _, a := range own {
			n, ok := a.(*net.IPNet)
			if !ok || !n.IP.IsGlobalUnicast() || onlyIPv4 && n.IP.To4() == nil {
				continue
			}
			all = append(all, browserURL(schemeOf(secure), &net.TCPAddr{IP: n.IP, Port: addr.Port}))
		}
	}
	return all
}

// BrowserURL returns the address of a TCP listener without TLS, as a URL for a
// browser on this machine and without a slash at its end.
func BrowserURL(l net.Listener) string {
	return strings.TrimSuffix(browserURL("http", l.Addr().(*net.TCPAddr)), "/")
}

func browserURL(scheme string, addr *net.TCPAddr) string {
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = "localhost"
	}
	return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(addr.Port)) + "/"
}

// firstHTTP returns the first URL that the inspector can send requests to,
// without its final slash, or "" if there are only Unix sockets.
func firstHTTP(urls []string) string {
	for _, url := range urls {
		if strings.HasPrefix(url, "http") {
			return strings.TrimSuffix(url, "/")
		}
	}
	return ""
}

// onlyLocal reports whether only clients on this machine can connect. A Unix
// socket usually belongs to a proxy.
func onlyLocal(listeners []net.Listener) bool {
	return !slices.ContainsFunc(listeners, func(l net.Listener) bool {
		return l.Addr().Network() == "unix" || !guard.Loopback(l.Addr())
	})
}
