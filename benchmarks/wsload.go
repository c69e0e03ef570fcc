package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"time"
)

// wsClient implements the part of RFC 6455 that the benchmarks need: short text
// frames, masked with zeros.
type wsClient struct {
	conn  net.Conn
	r     *bufio.Reader
	frame []byte // the frame to send
}

const payload = 64

var upgrade = []byte("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")

func dialWebSocket(addr string) (*wsClient, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &wsClient{conn: conn, r: bufio.NewReaderSize(conn, 1<<10)}
	c.frame = append([]byte{0x81, 0x80 | payload, 0, 0, 0, 0}, bytes.Repeat([]byte("x"), payload)...)
	if _, err := conn.Write(upgrade); err != nil {
		return nil, err
	}
	if err := conn.SetReadDeadline(time.Now().Add(timeLimit)); err != nil {
		return nil, err
	}
	status, err := c.r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	if len(status) < 12 || status[9:12] != "101" {
		return nil, fmt.Errorf("unexpected response %q", status)
	}
	for line := []byte("…"); len(line) > 2; {
		if line, err = c.r.ReadSlice('\n'); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *wsClient) send() error {
	_, err := c.conn.Write(c.frame)
	return err
}

// receive reads one data frame.
func (c *wsClient) receive() error {
	for {
		head, err := c.r.Peek(2)
		if err != nil {
			return err
		}
		opcode, length := head[0]&0x0f, int(head[1])
		if opcode == 8 {
			return fmt.Errorf("the server closed the socket")
		}
		skip := 2 + length
		if length == 126 {
			if head, err = c.r.Peek(4); err != nil {
				return err
			}
			skip = 4 + int(binary.BigEndian.Uint16(head[2:]))
		}
		if _, err := c.r.Discard(skip); err != nil {
			return err
		}
		if opcode < 8 {
			return nil
		}
	}
}

func (c *wsClient) do() error {
	if err := c.send(); err != nil {
		return err
	}
	if err := c.conn.SetReadDeadline(time.Now().Add(timeLimit)); err != nil {
		return err
	}
	return c.receive()
}

func (c *wsClient) close() { c.conn.Close() }

func dialEcho(addr string) (client, error) { return dialWebSocket(addr) }
