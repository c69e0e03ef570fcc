package http1

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// A feed is a connection that sends its input in pieces.
type feed struct {
	in    string
	piece int
	late  bool // a time-out comes before each piece
	ready bool
	last  error // comes with the last piece
}

func (f *feed) Read(p []byte) (int, error) {
	if f.late && !f.ready {
		f.ready = true
		return 0, os.ErrDeadlineExceeded
	}
	f.ready = false
	if f.in == "" {
		return 0, io.EOF
	}
	n := copy(p, f.in[:min(f.piece, len(f.in))])
	if f.in = f.in[n:]; f.in == "" {
		return n, f.last
	}
	return n, nil
}

// transcript reads all requests and reports what it has seen. It tries again
// after a time-out. It reads bodies into a buffer of the given size.
func transcript(conn io.Reader, size int) string {
	var out strings.Builder
	r := NewReader(conn, limits)
	buf := make([]byte, size)
	for {
		q, err := r.Next()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		if err != nil {
			fmt.Fprintf(&out, "%T %v\n", err, err)
			if q != nil {
				seen := *q
				seen.Repeated = false
				fmt.Fprintf(&out, "%+v\n", seen)
			}
			return out.String()
		}
		seen := *q
		seen.Repeated = false // a part of the headers may not have arrived in time to be compared
		fmt.Fprintf(&out, "%+v\n", seen)
		for err = nil; err == nil || errors.Is(err, os.ErrDeadlineExceeded); {
			var n int
			n, err = r.Read(buf)
			out.Write(buf[:n])
		}
		fmt.Fprintf(&out, "\n%T %v\n", err, err)
		if err != io.EOF {
			return out.String()
		}
	}
}

// TestPiecesMakeNoDifference feeds all inputs of TestVerdicts in pieces.
func TestPiecesMakeNoDifference(t *testing.T) {
	all := ""
	for _, c := range verdicts {
		in := c.in + probe
		if c.status == 0 {
			all += c.in
		}
		checkPieces(t, in)
	}
	checkPieces(t, all)
}

// checkPieces checks that an input gives the same requests however it arrives.
func checkPieces(t *testing.T, in string) {
	t.Helper()
	want := transcript(&feed{in: in, piece: len(in)}, 64<<10)
	last := min(len(in), 300)
	if len(in) > 20_000 {
		last = 3
	}
	for piece := 1; piece <= last; piece++ {
		for _, size := range []int{1, 7, bufferSize} {
			if got := transcript(&feed{in: in, piece: piece}, size); got != want {
				t.Fatalf("%.200q in pieces of %d, with a buffer of %d:\n%.2000s\nwant\n%.2000s", in, piece, size, got, want)
			}
		}
	}
	for _, f := range []*feed{{in: in, piece: 3, late: true}, {in: in, piece: 5000, last: io.EOF}} {
		if got := transcript(f, bufferSize); got != want {
			t.Fatalf("%.200q:\n%.2000s\nwant\n%.2000s", in, got, want)
		}
	}
}

// TestConnectionsEndAsRFC9112Requires checks Request.Close (section 9.3).
func TestConnectionsEndAsRFC9112Requires(t *testing.T) {
	for _, c := range []struct {
		version, lines string
		close          bool
	}{
		{"1.1", "", false},
		{"1.1", "Connection: close\r\n", true},
		{"1.1", "Connection: CLOSE\r\n", true},
		{"1.1", "Connection: a, ,\tclose\t,b\r\n", true},
		{"1.1", "Connection: a\r\nConnection: close\r\n", true},
		{"1.1", "Connection: closed\r\n", false},
		{"1.1", "Connection: keep-alive\r\n", false},
		{"1.1", "Connection: keep-alive, close\r\n", true},
		{"1.0", "", true},
		{"1.0", "Connection: keep-alive\r\n", false},
		{"1.0", "Connection: Keep-Alive\r\n", false},
		{"1.0", "Connection: keep-alive, close\r\n", true},
		{"1.0", "Keep-Alive: timeout=5\r\n", true},
	} {
		r := NewReader(strings.NewReader("GET / HTTP/"+c.version+"\r\nHost: h\r\n"+c.lines+"\r\n"), limits)
		q, err := r.Next()
		if err != nil || q.Close != c.close {
			t.Errorf("%s %q: %v, %v", c.version, c.lines, q.Close, err)
		}
	}
}

// TestContinueIsAwaited checks Request.Continue (RFC 9110, section 10.1.1).
func TestContinueIsAwaited(t *testing.T) {
	for head, want := range map[string]bool{
		"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n":          true,
		"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n": true,
		"POST / HTTP/1.1\r\nHost: h\r\nExpect: , 100-continue\r\nContent-Length: 1\r\n\r\n":        true,
		"POST / HTTP/1.1\r\nHost: h\r\nExpect:\r\nContent-Length: 1\r\n\r\n":                       false,
		"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n":          false,
		"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n":                               false,
		"POST / HTTP/1.0\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n":          false,
	} {
		q, err := NewReader(strings.NewReader(head), limits).Next()
		if err != nil || q.Continue != want {
			t.Errorf("%q: %v, %v", head, q.Continue, err)
		}
	}
}

// TestEndOfInput tells a connection that ends between requests from one that
// ends within a request.
func TestEndOfInput(t *testing.T) {
	for in, want := range map[string]error{
		"":                                io.EOF,
		"\r\n":                            io.EOF,
		probe:                             io.EOF,
		probe + "\r\n\r\n":                io.EOF,
		"G":                               io.ErrUnexpectedEOF,
		"GET / HTTP/1.1\r\n":              io.ErrUnexpectedEOF,
		probe[:len(probe)-1]:              io.ErrUnexpectedEOF,
		post("Content-Length: 3", ""):     io.ErrUnexpectedEOF,
		post("Content-Length: 3", "ab"):   io.ErrUnexpectedEOF,
		chunked:                           io.ErrUnexpectedEOF,
		chunked + "3":                     io.ErrUnexpectedEOF,
		chunked + "3\r\nab":               io.ErrUnexpectedEOF,
		chunked + "3\r\nabc\r":            io.ErrUnexpectedEOF,
		chunked + "3\r\nabc\r\n0\r\n":     io.ErrUnexpectedEOF,
		chunked + "0\r\nA: b\r\n":         io.ErrUnexpectedEOF,
		chunked + "3\r\nabc\r\n0\r\n\r\n": io.EOF,
	} {
		r := NewReader(strings.NewReader(in), limits)
		var err error
		for err == nil {
			if _, err = r.Next(); err == nil {
				_, err = io.ReadAll(r)
			}
		}
		if err != want {
			t.Errorf("%q: %v, want %v", in, err, want)
		}
	}
}

// TestWaitReturnsBeforeARequest checks that empty lines do not count.
func TestWaitReturnsBeforeARequest(t *testing.T) {
	r := NewReader(&feed{in: "\r\n\r\n" + probe + "\r\n", piece: 1}, limits)
	if err := r.Wait(); err != nil || r.Buffered() != 1 {
		t.Errorf("%d bytes, %v", r.Buffered(), err)
	}
	if err := r.Wait(); err != nil || r.Buffered() != 1 {
		t.Errorf("the second time: %d bytes, %v", r.Buffered(), err)
	}
	if q, err := r.Next(); err != nil || q.Target != "/probe" {
		t.Errorf("%+v, %v", q, err)
	}
	if err := r.Wait(); err != io.EOF || r.Buffered() != 0 {
		t.Errorf("at the end: %d bytes, %v", r.Buffered(), err)
	}
	r = NewReader(strings.NewReader(post("Content-Length: 3", "abc")), limits)
	r.Next()
	if err := r.Wait(); err != errUnread {
		t.Errorf("before a body: %v", err)
	}
	r = NewReader(strings.NewReader("nonsense\n"), limits)
	_, refused := r.Next()
	if err := r.Wait(); err != refused {
		t.Errorf("after a refusal: %v", err)
	}
}

// TestUnreadBodyIsNoRequest checks that a body is not parsed as a request.
func TestUnreadBodyIsNoRequest(t *testing.T) {
	r := NewReader(strings.NewReader(post("Content-Length: 100", probe+probe)), limits)
	if _, err := r.Next(); err != nil || r.BodyDone() {
		t.Fatalf("done %v, %v", r.BodyDone(), err)
	}
	if _, err := io.ReadFull(r, make([]byte, len(probe))); err != nil {
		t.Fatal(err)
	}
	if q, err := r.Next(); q != nil || err != errUnread {
		t.Errorf("%+v, %v", q, err)
	}
}

// TestRefusalIsFinal checks that nothing is read after an error in a request,
// and that the parts before the error are known.
func TestRefusalIsFinal(t *testing.T) {
	r := NewReader(strings.NewReader("HEAD /a HTTP/1.0\r\nHost: h\r\nAccept: b\r\nC D: e\r\n\r\n"+probe), limits)
	for range 2 {
		q, err := r.Next()
		if refused := new(Error); !errors.As(err, &refused) || refused.Status != 400 {
			t.Fatalf("%v", err)
		}
		if r.BodyDone() || q.Method != "HEAD" || q.Target != "/a" || q.Minor != 0 || q.Get("accept") != "b" || q.Get("c") != "" {
			t.Errorf("%+v", q)
		}
	}
	r = NewReader(strings.NewReader(probe+"nonsense\r\n"+probe), limits)
	r.Next()
	if q, err := r.Next(); err == nil || q.Method != "" || q.Target != "" || len(q.Headers) != 0 {
		t.Errorf("%+v, %v", q, err)
	}
	r = NewReader(strings.NewReader(chunked+"x\r\n"+probe), limits)
	r.Next()
	_, err := io.ReadAll(r)
	if refused := new(Error); !errors.As(err, &refused) {
		t.Errorf("%v", err)
	}
	if _, again := r.Next(); again != err {
		t.Errorf("after a bad body: %v", again)
	}
	if _, again := r.Read(make([]byte, 1)); again != err {
		t.Errorf("after a bad body: %v", again)
	}
}

// TestTakeReturnsTheRest checks an upgrade and the preface of HTTP/2.
func TestTakeReturnsTheRest(t *testing.T) {
	r := NewReader(strings.NewReader(get("Upgrade: a")+"early"), limits)
	if q, err := r.Next(); err != nil || !q.Upgrade {
		t.Errorf("%+v, %v", q, err)
	}
	if got := r.Take(); string(got) != "early" {
		t.Errorf("%q", got)
	}
	if got := r.Take(); got != nil {
		t.Errorf("the second time: %q", got)
	}
	if _, err := r.Next(); err != errTaken {
		t.Errorf("%v", err)
	}

	const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	for piece := 1; piece <= len(preface); piece++ {
		f := &feed{in: preface, piece: piece}
		r = NewReader(f, limits)
		if _, err := r.Next(); err != ErrHTTP2 {
			t.Errorf("%v", err)
		}
		if got := string(r.Take()) + f.in; got != preface {
			t.Errorf("%q", got)
		}
	}
	for _, in := range []string{"\r\n" + preface, "PRI * HTTP/2.0\n\n", "PRI / HTTP/2.0\r\n\r\n"} {
		_, err := NewReader(strings.NewReader(in), limits).Next()
		if refused := new(Error); !errors.As(err, &refused) || refused.Status != 505 {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// TestRepeatedHeadersAreRecognized checks that they are the same as if they were
// parsed again.
func TestRepeatedHeadersAreRecognized(t *testing.T) {
	const a, b = "Host: h\r\nA: 1\r\nContent-Length: 1\r\n\r\nx", "Host: h\r\nA: 2\r\n\r\n"
	const coded = "Host: h\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, c := range []struct {
		in   string
		want []bool
	}{
		{"GET / HTTP/1.1\r\n" + a + "POST /b?c HTTP/1.0\r\n" + a, []bool{false, true}},
		{"GET / HTTP/1.1\r\n" + a + "GET / HTTP/1.1\r\n" + b + "GET / HTTP/1.1\r\n" + b, []bool{false, false, true}},
		{"GET / HTTP/1.1\r\n" + b + "GET / HTTP/1.1\r\nHost: h\r\nA: 2\r\nB: 3\r\n\r\n", []bool{false, false}},
		{"GET / HTTP/1.1\r\n" + b + "GET / HTTP/1.1\r\nHost: h\r\n\r\n", []bool{false, false}},
		{"GET / HTTP/1.1\r\n" + b + "GET http://i HTTP/1.1\r\n" + b + "GET / HTTP/1.1\r\n" + b, []bool{false, false, false}},
		{"GET http://i HTTP/1.1\r\n" + b + "GET http://j HTTP/1.1\r\n" + b, []bool{false, false}},
		{"GET / HTTP/1.1\r\n" + coded + "0\r\n\r\nGET / HTTP/1.1\r\n" + coded + "0\r\n\r\nGET / HTTP/1.0\r\n" + coded, []bool{false, true}},
		{"GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\nGET / HTTP/1.1\r\n\r\n", []bool{false, true}},
		{"GET / HTTP/1.1\r\nHost: h\r\nA:" + strings.Repeat(" ", maxSaved) + "\r\n\r\n" + "GET / HTTP/1.1\r\nHost: h\r\nA:" + strings.Repeat(" ", maxSaved) + "\r\n\r\n", []bool{false, false}},
	} {
		r := NewReader(strings.NewReader(c.in), limits)
		var got []bool
		for {
			q, err := r.Next()
			if err != nil {
				break
			}
			got = append(got, q.Repeated)
			io.ReadAll(r)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%.200q: %v, want %v", c.in, got, c.want)
		}
		checkPieces(t, c.in)
	}
}

// TestStringsOfARequestStay checks that the next request does not change them.
func TestStringsOfARequestStay(t *testing.T) {
	r := NewReader(strings.NewReader("BREW /first HTTP/1.1\r\nHost: first\r\nA: first\r\n\r\nBREW /other HTTP/1.1\r\nHost: other\r\nA: other\r\n\r\n"), limits)
	q, _ := r.Next()
	method, target, host, header := q.Method, q.Target, q.Host, q.Headers[1]
	r.Next()
	if method != "BREW" || target != "/first" || host != "first" || header != (Header{"a", "first"}) {
		t.Error(method, target, host, header)
	}
}

// TestMemoryIsBounded checks that the buffer grows only for a long head, and not
// without limit, and that a connection that waits holds a small one.
func TestMemoryIsBounded(t *testing.T) {
	long := "GET / HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("A: "+strings.Repeat("b", 300)+"\r\n", 190) + "\r\n"
	in := &feed{in: probe + long + post("Content-Length: 100000", strings.Repeat("x", 100_000)) + probe, piece: 1 << 20}
	r := NewReader(in, limits)
	largest := 0
	for {
		_, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		largest = max(largest, len(r.buf))
		io.Copy(io.Discard, struct{ io.Reader }{r})
	}
	if largest > r.maxBuffer() {
		t.Errorf("the buffer had %d bytes", largest)
	}
	if len(r.buf) != bufferSize || cap(r.head.fields) > maxKept || cap(r.req.Headers) > 2*maxKept || len(r.head.saved) > maxSaved {
		t.Errorf("it keeps %d bytes, %d fields and %d headers", len(r.buf), cap(r.head.fields), cap(r.req.Headers))
	}
	r = NewReader(&feed{in: strings.Repeat("a", 1<<20), piece: 1 << 20}, limits)
	if _, err := r.Next(); err == nil || len(r.buf) > r.maxBuffer() {
		t.Errorf("%d bytes, %v", len(r.buf), err)
	}
}

// TestLongBodiesAreNotCopied checks that they are read into the caller's buffer.
func TestLongBodiesAreNotCopied(t *testing.T) {
	in := &feed{in: post("Content-Length: 100000", strings.Repeat("x", 100_000)), piece: 1 << 20}
	r := NewReader(in, limits)
	r.Next()
	p := make([]byte, 64<<10)
	for r.Buffered() > 0 {
		r.Read(p)
	}
	before := len(in.in)
	if n, err := r.Read(p); n != len(p) || err != nil || before-len(in.in) != n || len(r.buf) != bufferSize {
		t.Errorf("%d of %d bytes, %v", n, before-len(in.in), err)
	}
}

// TestConnectionWithoutProgress checks that a connection that returns nothing
// does not stop the reader forever.
func TestConnectionWithoutProgress(t *testing.T) {
	if _, err := NewReader(nothing{}, limits).Next(); err != io.ErrNoProgress {
		t.Error(err)
	}
}

type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }

// TestPlainRequestsAllocateOneString checks a GET that is not like the last one.
func TestPlainRequestsAllocateOneString(t *testing.T) {
	in := &feed{piece: 1 << 20}
	r := NewReader(in, limits)
	n := 0
	read := func(head string) {
		in.in = head
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
	heads := []string{browserGet, strings.Replace(browserGet, "Safari", "safari", 1)}
	for _, c := range []struct {
		name string
		head func() string
	}{
		{"other headers", func() string { n++; return heads[n%2] }},
		{"the same headers", func() string { return heads[0] }},
	} {
		read(c.head())
		if got := testing.AllocsPerRun(100, func() { read(c.head()) }); got > 1 {
			t.Errorf("%s: %v allocations", c.name, got)
		}
	}
}

// browserGet is a request of a browser.
const browserGet = "GET /items/4711?page=2 HTTP/1.1\r\n" +
	"Host: localhost:8000\r\n" +
	"Connection: keep-alive\r\n" +
	"sec-ch-ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\"\r\n" +
	"sec-ch-ua-mobile: ?0\r\n" +
	"sec-ch-ua-platform: \"Linux\"\r\n" +
	"Upgrade-Insecure-Requests: 1\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\n" +
	"Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n" +
	"Cookie: sessionid=0123456789abcdef0123456789abcdef\r\n\r\n"

// TestChunksLetOthersRun runs the reader of a client that sends without a pause on the
// only processor.
func TestChunksLetOthersRun(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	input := "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\na\r\n", 10_000)
	r := NewReader(&feed{in: input, piece: 60}, limits)
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	var ran atomic.Bool
	go ran.Store(true)
	io.Copy(io.Discard, r)
	if !ran.Load() {
		t.Error("no other goroutine ran")
	}
}
