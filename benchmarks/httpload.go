package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// A client does one operation after another on one connection.
type client interface {
	do() error
	close()
}

// A dialer connects a client to a server.
type dialer func(addr string) (client, error)

// drive runs n clients for the given span. It returns the duration of each of
// their operations.
func drive(dial dialer, addr string, n int, span time.Duration) (took []time.Duration, err error) {
	clients := make([]client, n)
	for i := range clients {
		if clients[i], err = dial(addr); err != nil {
			return nil, err
		}
		defer clients[i].close()
	}
	var (
		mu   sync.Mutex // guards took and err
		wg   sync.WaitGroup
		stop = time.Now().Add(span)
	)
	for _, c := range clients {
		wg.Go(func() {
			mine, failed := repeat(c, stop)
			mu.Lock()
			defer mu.Unlock()
			took = append(took, mine...)
			err = errors.Join(err, failed)
		})
	}
	wg.Wait()
	return took, err
}

func repeat(c client, stop time.Time) (took []time.Duration, err error) {
	for now := time.Now(); now.Before(stop); {
		if err := c.do(); err != nil {
			return took, err
		}
		then := now
		now = time.Now()
		took = append(took, now.Sub(then))
	}
	return took, nil
}

// quantile returns the value below which the given fraction of values is, or zero
// if there are none. It sorts them.
func quantile[T cmp.Ordered](values []T, fraction float64) (q T) {
	if len(values) > 0 {
		slices.Sort(values)
		q = values[int(fraction*float64(len(values)))]
	}
	return q
}

func median(values []float64) float64 { return quantile(values, 0.5) }

// timeLimit is the time limit for one operation.
const timeLimit = 10 * time.Second

// httpClient repeats the same request. It parses as little of the response as
// possible, to leave CPU time for the server.
type httpClient struct {
	conn net.Conn
	r    *bufio.Reader
}

func dialHTTP(addr string) (client, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return newHTTPClient(conn), nil
}

func newHTTPClient(conn net.Conn) *httpClient { return &httpClient{conn, bufio.NewReader(conn)} }

var (
	request       = []byte("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	statusOK      = []byte("HTTP/1.1 200 ")
	contentLength = []byte("content-length:")
)

func (c *httpClient) do() error {
	if _, err := c.conn.Write(request); err != nil {
		return err
	}
	if err := c.conn.SetReadDeadline(time.Now().Add(timeLimit)); err != nil {
		return err
	}
	status, err := c.r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(status, statusOK) {
		return fmt.Errorf("unexpected response %q", status)
	}
	length := -1
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		if len(line) > len(contentLength) && bytes.EqualFold(line[:len(contentLength)], contentLength) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(contentLength):]))); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return errors.New("the response has no content-length")
	}
	_, err = io.CopyN(io.Discard, c.r, int64(length))
	return err
}

func (c *httpClient) close() { c.conn.Close() }
