//go:build !linux

package httpfront

import "net"

// unread returns 0: the system does not say how many bytes the client has not received.
func unread(net.Conn) int64 { return 0 }
