package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// piece is the number of bytes that bulk writes at a time.
const piece = 64 << 10

// bulk is the plain server for large bodies: it counts the bytes of an upload, and
// streams a download in pieces of 64 KiB.
func bulk(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		n, err := io.Copy(io.Discard, r.Body)
		if err == nil {
			fmt.Fprint(w, n)
		}
		return
	}
	n, _ := strconv.Atoi(r.FormValue("bytes"))
	zeros := make([]byte, piece)
	for range n / piece {
		if _, err := w.Write(zeros); err != nil {
			return
		}
	}
}

// transport reads and writes in pieces of 64 KiB, to leave CPU time for the server.
var transport = &http.Client{Transport: &http.Transport{ReadBufferSize: 64 << 10, WriteBufferSize: 64 << 10}}

// measureUpload sends one large body.
func measureUpload(ctx context.Context, r *row, o options) (result, error) {
	return r.transfer(o, func() (int64, error) {
		body := io.LimitReader(zeros{}, o.bytes)
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+r.p.addr, body)
		if err != nil {
			return 0, err
		}
		request.ContentLength = o.bytes
		resp, err := transport.Do(request)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			return 0, err
		}
		return strconv.ParseInt(string(text), 10, 64)
	})
}

// measureDownload receives one large body.
func measureDownload(ctx context.Context, r *row, o options) (result, error) {
	return r.transfer(o, func() (int64, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/?bytes=%d", r.p.addr, o.bytes), nil)
		if err != nil {
			return 0, err
		}
		resp, err := transport.Do(request)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		return io.Copy(io.Discard, resp.Body)
	})
}

// transfer measures move, which returns the number of bytes that arrived. An
// operation is a MiB.
func (r *row) transfer(o options, move func() (int64, error)) (result, error) {
	before, err := r.p.cpu()
	if err != nil {
		return result{}, err
	}
	start := time.Now()
	n, err := move()
	if err != nil {
		return result{}, err
	}
	if n != o.bytes {
		return result{}, fmt.Errorf("%d of %d bytes arrived", n, o.bytes)
	}
	elapsed := time.Since(start)
	after, err := r.p.cpu()
	if err != nil {
		return result{}, err
	}
	peak, err := r.p.peak()
	mib := float64(n) / (1 << 20)
	return result{rate: mib / elapsed.Seconds(), cpu: micros(after-before) / mib, memory: float64(peak) / (1 << 20)}, err
}

// zeros reads as zeros without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
