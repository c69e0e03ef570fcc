package script_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"asgibox/workerpool"
)

// slowSite serves a file and a stream that are longer than what waits for a client,
// with one worker.
func slowSite(t *testing.T) *site {
	t.Helper()
	return setup{
		pool:  workerpool.Options{Workers: 1},
		files: map[string]string{"big/file.bin": strings.Repeat("x", slowLength)},
	}.serve(t, fmt.Sprintf(`
def write_all(write):
    for i in range(%d):
        write("x" * 65536)
def stream(request):
    return StreamingHttpResponse(write_all)
def fast(request):
    return "fast"
channel_routing = [static("/big/", "big"), view("/stream", stream), view("/fast", fast)]
`, slowLength/65536))
}

const slowLength = 48 << 20

func TestAClientThatReadsSlowlyHoldsUpNoOthers(t *testing.T) {
	for _, path := range []string{"/big/file.bin", "/stream"} {
		s := slowSite(t)
		var slow []net.Conn
		for range 3 {
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path)
			slow = append(slow, conn)
		}
		s.want("/fast", 200, "fast")
		for _, conn := range slow {
			conn.SetReadDeadline(time.Now().Add(time.Minute))
			if n, err := io.Copy(io.Discard, conn); n < slowLength || err != nil {
				t.Errorf("%s: a slow client got %d bytes, %v", path, n, err)
			}
		}
		s.want("/fast", 200, "fast")
	}
}
