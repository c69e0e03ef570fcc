package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// describeApp describes each request in its response. It does not read the rest of a
// long body.
const describeApp = `
def echo(message):
    state.append("paths", message["path"])
    hosts = [str(value) for name, value in message["headers"] if str(name) == "host"]
    status, _, header = str(message["query_string"]).partition("&")
    message.reply_channel.send({
        "status": int(status or "200"),
        "headers": [["x-seen", " ".join([message["method"], message["path"]] + hosts)]] + ([["x-value", "a\r\nb"]] if header else []),
        "content": "content of " + message["path"],
    })

def paths(message):
    message.reply_channel.send({"status": 200, "content": "\n".join(state.get("paths", []))})

def refuse(message):
    message.reply_channel.send({"close": True})

channel_routing = [
    route("http.request", paths, path="^/paths$"),
    route("http.request", echo),
    route("websocket.connect", refuse),
]
`

const (
	smuggled  = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
	lastOne   = "GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
	lastReply = "200 GET /last h"
	postHead  = "POST /a HTTP/1.1\r\nHost: h\r\n"
	okReply   = "200 POST /a h"

	socketHead = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

// TestNoRequestIsSmuggled sends requests that try to make the server and another
// program disagree about where requests and responses start. Each input ends
// with a request that must be served if, and only if, all before it are valid.
func TestNoRequestIsSmuggled(t *testing.T) {
	p := startProcess(t, writeApp(t, describeApp), "--store", "memory", "--max-body", "8MiB")
	long := strings.Repeat(smuggled, (4<<20)/len(smuggled))
	tooLong := strings.Repeat(smuggled, (9<<20)/len(smuggled))
	chunk := func(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }
	length := func(s string) string { return "Content-Length: " + strconv.Itoa(len(s)) + "\r\n\r\n" + s }
	const coded = "Transfer-Encoding: chunked\r\n\r\n"
	for _, c := range []struct {
		name, in string
		want     []string // status, and what the application has seen
	}{
		{"a request in a body", postHead + length(smuggled) + lastOne, []string{okReply, lastReply}},
		{"a request in a chunk", postHead + coded + chunk(smuggled) + "0\r\n\r\n" + lastOne, []string{okReply, lastReply}},
		{"a request in a trailer", postHead + coded + "0\r\n" + smuggled + lastOne, []string{"400"}},
		{"a request in an extension", postHead + coded + "0;a=\"\r\n" + smuggled + "\"\r\n\r\n" + lastOne, []string{"400"}},
		{"a request in the body of GET", "GET /a HTTP/1.1\r\nHost: h\r\n" + length(smuggled) + lastOne, []string{"200 GET /a h", lastReply}},
		{"a request in the body of HEAD", "HEAD /a HTTP/1.1\r\nHost: h\r\n" + length(smuggled) + lastOne, []string{"200 HEAD /a h", lastReply}},
		{"a request in the body of OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: h\r\n" + length(smuggled) + lastOne, []string{"200 OPTIONS * h", lastReply}},
		{"a request in a value", postHead + "A: b\r" + smuggled + "\r\n" + lastOne, []string{"400"}},
		{"a request after an invalid chunk", postHead + coded + chunk("abc") + "x\r\n" + smuggled + lastOne, []string{"400"}},
		{"a request after a chunk that is too long", postHead + coded + "2\r\nabc\r\n" + smuggled + lastOne, []string{"400"}},
		{"a request after close", postHead + "Connection: close\r\n\r\n" + smuggled, []string{okReply}},
		{"a request after HTTP/1.0", "POST /a HTTP/1.0\r\nHost: h\r\n\r\n" + smuggled, []string{okReply}},
		{"HTTP/1.0 that continues", "POST /a HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n" + lastOne, []string{okReply, lastReply}},
		{"HTTP/1.0 with a body without a length", "POST /a HTTP/1.0\r\nHost: h\r\n\r\n" + smuggled, []string{okReply}},
		{"the preface of HTTP/2 after a request", postHead + "\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + smuggled, []string{okReply, "505"}},
		{"an upgrade to HTTP/2", postHead + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" + lastOne, []string{okReply, lastReply}},
		{"a request after a refused WebSocket", socketHead + smuggled, []string{"403"}},
		{"a request in the body of a handshake", strings.TrimSuffix(socketHead, "\r\n") + length(smuggled) + lastOne, []string{"400"}},
		{"a request after CONNECT", "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n" + smuggled, []string{"400"}},
		{"a body that is expected", postHead + "Expect: 100-continue\r\n" + length(smuggled) + lastOne, []string{okReply, lastReply}},
		{"another expectation", postHead + "Expect: a\r\n" + length(smuggled) + lastOne, []string{"417"}},
		{"a body that is too long", postHead + length(tooLong) + lastOne, []string{"413"}},
		{"an expected body that is too long", postHead + "Expect: 100-continue\r\nContent-Length: 9000000\r\n\r\n" + smuggled, []string{"413"}},
		{"a response before the end of a body", postHead + length(long) + smuggled, []string{okReply}},
		{"a response before the end of a chunked body", postHead + coded + chunk(long) + "0\r\n\r\n" + smuggled, []string{okReply}},
		{"a response before an invalid chunk", postHead + coded + chunk(long) + "x\r\n" + smuggled, []string{okReply}},
		{"responses without a body", "GET /a?204 HTTP/1.1\r\nHost: h\r\n\r\nGET /a?304 HTTP/1.1\r\nHost: h\r\n\r\nGET /a?205 HTTP/1.1\r\nHost: h\r\n\r\n" +
			"HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n" + lastOne, []string{"204 GET /a h", "304 GET /a h", "205 GET /a h", "200 HEAD /a h", lastReply}},
		{"a method that is HEAD only in another case", "head /a HTTP/1.1\r\nHost: h\r\n\r\n" + lastOne, []string{"400"}},
		{"a response with a line end in a value", "GET /a?200&x HTTP/1.1\r\nHost: h\r\n\r\n" + lastOne, []string{"500", lastReply}},
		{"another host in the target", "GET http://i:1/a HTTP/1.1\r\nHost: h\r\n\r\n" + lastOne, []string{"200 GET /a i:1", lastReply}},
		{"two hosts", "GET /a HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n" + lastOne, []string{"400"}},
		{"many empty lines", strings.Repeat("\r\n", 100) + lastOne, []string{"400"}},
		{"many requests", strings.Repeat(postHead+"\r\n", 1000) + lastOne, append(slices.Repeat([]string{okReply}, 1000), lastReply)},
	} {
		t.Run(c.name, func(t *testing.T) { p.checkReplies(t, c.in, c.want) })
	}

	// A length and a disguised coding, or a length in an odd form.
	for _, lines := range []string{
		"Content-Length: %d\r\nTransfer-Encoding: chunked",
		"Transfer-Encoding: chunked\r\nContent-Length: %d",
		"Content-Length: %d\r\nTransfer-Encoding : chunked",
		"Content-Length: %d\r\n Transfer-Encoding: chunked",
		"Content-Length: %d\r\nTransfer-Encoding:\tchunked",
		"Content-Length: %d\r\nTransfer-Encoding:\vchunked",
		"Content-Length: %d\r\nTransfer-Encoding: xchunked",
		"Content-Length: %d\r\nTransfer-Encoding: \"chunked\"",
		"Content-Length: %d\r\nTransfer-Encoding: chunked\x00",
		"Content-Length: %d\r\nTransfer-Encoding\x00: chunked",
		"Content-Length: %d\r\nTransfer-Encoding: identity, chunked",
		"Content-Length: %d\r\nTransfer-Encoding:\r\n chunked",
		"Content-Length: %d\r\nX: y\rTransfer-Encoding: chunked",
		"Content-Length: %d\r\nX: y\nTransfer-Encoding: chunked",
		"Content-Length: %d\r\nX:\xff\xff\r\nTransfer-Encoding: chunked",
		"Content-Length: %d\r\nContent-Encoding: chunked\r\ntransfer-ENCODING: CHUNKED",
		"Content-Length: +%d",
		"Content-Length: %d.",
		"Content-Length: 0x%d",
		"Content-Length: %d,%[1]d",
		"Content-Length: 0\r\nContent-Length: %d",
		"Content-Length: %d\r\nContent-Length: 0",
		"Content-Length: 0%[1]d\r\nContent-Length: %[1]d",
		"Content-Length:\r\n %d",
		"Content-Length : %d",
		"Content\r\n-Length: %d",
	} {
		t.Run(fmt.Sprintf("%q", lines), func(t *testing.T) {
			const body = "0\r\n\r\n" + smuggled
			p.checkReplies(t, postHead+fmt.Sprintf(lines, len(body))+"\r\n\r\n"+body+lastOne, []string{"400"})
		})
	}

	_, paths := p.get("/paths")
	if strings.Contains(paths, "/smuggled") {
		t.Error("a request was smuggled")
	}
}

// checkReplies sends the input on one connection and checks all responses until
// the server closes it.
func (p *process) checkReplies(t *testing.T, in string, want []string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	go io.WriteString(conn, in) // the server need not read all
	var got []string
	for r := bufio.NewReader(conn); ; {
		if _, err := r.Peek(1); err != nil {
			if len(got) < len(want) || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
			break
		}
		method := ""
		if len(got) < len(want) && strings.Contains(want[len(got)], " HEAD ") && strings.Contains(in, "HEAD ") {
			method = http.MethodHead
		}
		res, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			t.Error(err)
			break
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Error(err)
		}
		if res.StatusCode == http.StatusContinue {
			continue
		}
		got = append(got, strings.TrimSpace(strconv.Itoa(res.StatusCode)+" "+res.Header.Get("X-Seen")))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
