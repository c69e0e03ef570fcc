package process

import "net"

// listen listens on a loopback port: the tokens protect it.
func listen(string) (l net.Listener, address string, remove func(), err error) {
	l, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", nil, err
	}
	return l, "tcp:" + l.Addr().String(), func() {}, nil
}
