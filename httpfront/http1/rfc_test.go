package http1

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

var limits = Limits{Target: 64 << 10, Head: 64 << 10, Lines: 200}

const (
	chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
	probe   = "GET /probe HTTP/1.1\r\nHost: h\r\n\r\n"
)

// post returns a POST request with the header lines and the body.
func post(lines, body string) string {
	return "POST / HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n\r\n" + body
}

// get returns a GET request with the header lines.
func get(lines string) string { return "GET / HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n\r\n" }

// verdicts has a row for each rule about requests in sections 2, 3, 5, 6 and 7 of
// RFC 9112 and in section 5 of RFC 9110. A rule may leave the choice to refuse
// to the server. A second request follows each one: it must be read if the first
// is accepted, and must not if the first is refused.
var verdicts = []struct {
	section, rule string
	in            string
	status        int    // of the refusal, or 0
	want          string // of an accepted request: target, headers and body, see summary
}{
	{"9112 2.1", "a head ends with an empty line", "GET /a HTTP/1.1\r\nHost: h\r\nA: 1\r\n\r\n", 0, "GET /a 1 [host=h a=1] "},
	{"9112 2.2", "a head consists of bytes, not of characters", get("A: \u010a\u010d"), 0, "GET / 1 [host=h a=\u010a\u010d] "},
	{"9112 2.2", "a line may end in LF alone", "GET /a HTTP/1.1\nHost: h\nA: 1\n\n", 0, "GET /a 1 [host=h a=1] "},
	{"9112 2.2", "a bare CR in a request line is invalid", "GET /\r HTTP/1.1\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 2.2", "a bare CR at the end of a request line is invalid", "GET / HTTP/1.1\r\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 2.2", "a bare CR in place of a line end is invalid", "GET / HTTP/1.1\rHost: h\r\n\r\n", 400, ""},
	{"9112 2.2", "a bare CR in a name is invalid", get("A\rB: 1"), 400, ""},
	{"9112 2.2", "a bare CR in a value is invalid", get("A: 1\rTransfer-Encoding: chunked"), 400, ""},
	{"9112 2.2", "a bare CR at the end of a value is invalid", get("A: 1\r"), 400, ""},
	{"9112 2.2", "a bare CR before the end of a head is invalid", get("A: 1\r\n\r"), 400, ""},
	{"9112 2.2", "an empty line before a request is ignored", "\r\n" + get("A: 1"), 0, "GET / 1 [host=h a=1] "},
	{"9112 2.2", "several empty lines too", "\r\n\n\r\n\r\n" + get("A: 1"), 0, "GET / 1 [host=h a=1] "},
	{"9112 2.2", "any number of empty lines is not", strings.Repeat("\r\n", 9) + get("A: 1"), 400, ""},
	{"9112 2.2", "a bare CR before a request is invalid", "\r" + get("A: 1"), 400, ""},
	{"9112 2.2", "space before the first header is invalid", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400, ""},
	{"9112 2.2", "a line of space before the first header is invalid", "GET / HTTP/1.1\r\n \r\nHost: h\r\n\r\n", 400, ""},
	{"9112 2.2", "what does not match the grammar is invalid", "\x16\x03\x01\x02\x00\x01\x00\n", 400, ""},
	{"9112 2.2", "a response is no request", "HTTP/1.1 200 OK\r\n\r\n", 400, ""},
	{"9112 2.3", "HTTP/1.0 is a version", "GET / HTTP/1.0\r\n\r\n", 0, "GET / 0 [] "},
	{"9112 2.3", "a later minor version counts as 1.1", "GET / HTTP/1.2\r\nHost: h\r\n\r\n", 0, "GET / 1 [host=h] "},
	{"9112 2.3", "the name of the protocol is case-sensitive", "GET / http/1.1\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 2.3", "it is HTTP", "GET / HTTQ/1.1\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 2.3", "a version has one digit before the dot", "GET / HTTP/11.1\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 2.3", "a version has one digit after the dot", "GET / HTTP/1.11\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 2.3", "a version has no sign", "GET / HTTP/1.-1\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 2.3", "a version has a dot", "GET / HTTP/1 1\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 2.3", "a version is needed", "GET /\r\n\r\n", 400, ""},
	{"9112 2.3", "HTTP/0.9 is not supported", "GET / HTTP/0.9\r\nHost: h\r\n\r\n", 505, ""},
	{"9112 2.3", "HTTP/2 is not supported in this form", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505, ""},
	{"9112 2.3", "nor is the preface of HTTP/2 after a request", get("A: 1") + "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "GET / 1 [host=h a=1] "},

	{"9112 3", "the parts of a request line are divided by a space", "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 3", "by one space after the method", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 3", "by one space after the target", "GET /  HTTP/1.1\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 3", "space before the method is invalid", " GET / HTTP/1.1\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 3", "space after the version is invalid", "GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400, ""},
	{"9112 3", "a vertical tab is no space", "GET\v/ HTTP/1.1\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 3", "a target without an end within the limits is refused", "GET /" + strings.Repeat("a", 81<<10), 431, ""},
	{"9112 3.1", "a method is a token", "G@T / HTTP/1.1\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 3.1", "a method is not empty", " / HTTP/1.1\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 3.1", "a method is case-sensitive", "get / HTTP/1.1\r\nHost: h\r\n\r\n", 0, "get / 1 [host=h] "},
	{"9112 3.1", "a method may be unknown", "M-SEARCH / HTTP/1.1\r\nHost: h\r\n\r\n", 0, "M-SEARCH / 1 [host=h] "},
	{"9112 3.2", "a target has no spaces", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 3.2", "a target has no control characters", "GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 3.2", "a target has no DEL", "GET /\x7f HTTP/1.1\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 3.2", "a target is ASCII", "GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 3.2", "a target has no fragment", "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 3.2", "a target over the limit is too long", "GET /" + strings.Repeat("a", 64<<10) + " HTTP/1.1\r\nHost: h\r\n\r\n", 414, ""},
	{"9112 3.2", "HTTP/1.1 needs Host", "GET / HTTP/1.1\r\nA: 1\r\n\r\n", 400, ""},
	{"9112 3.2", "in absolute form too", "GET http://h/ HTTP/1.1\r\n\r\n", 400, ""},
	{"9112 3.2", "two Host headers are invalid", get("Host: h"), 400, ""},
	{"9112 3.2", "in HTTP/1.0 too", "GET / HTTP/1.0\r\nHost: h\r\nHost: i\r\n\r\n", 400, ""},
	{"9112 3.2", "a Host may be empty", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 0, "GET / 1 [host=] "},
	{"9112 3.2", "a Host may have a port", "GET / HTTP/1.1\r\nHost: h.example:80\r\n\r\n", 0, "GET / 1 [host=h.example:80] "},
	{"9112 3.2", "a Host may be an IPv6 address", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 0, "GET / 1 [host=[::1]:80] "},
	{"9112 3.2", "a Host may have characters of a registered name", "GET / HTTP/1.1\r\nHost: a_b~(%20)!\r\n\r\n", 0, "GET / 1 [host=a_b~(%20)!] "},
	{"9112 3.2", "a Host is not a list", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, ""},
	{"9112 3.2", "a Host has no path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, ""},
	{"9112 3.2", "a Host has no user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400, ""},
	{"9112 3.2", "the port of a Host is a number", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400, ""},
	{"9112 3.2", "a Host has one port", "GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n", 400, ""},
	{"9112 3.2", "a port needs a host", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400, ""},
	{"9112 3.2", "an IPv6 address has brackets", "GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", 400, ""},
	{"9112 3.2", "brackets are closed", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400, ""},
	{"9112 3.2", "brackets contain an IPv6 address", "GET / HTTP/1.1\r\nHost: [1.2.3.4]\r\n\r\n", 400, ""},
	{"9112 3.2", "nothing but a port follows brackets", "GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n", 400, ""},
	{"9112 3.2", "a Host has valid escapes", "GET / HTTP/1.1\r\nHost: a%2\r\n\r\n", 400, ""},
	{"9112 3.2", "a Host is ASCII", "GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n", 400, ""},
	{"9112 3.2.1", "a path begins with a slash", "GET a/b HTTP/1.1\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 3.2.1", "a path and a query are as sent", "GET //a/../%2e?b=%zz?&| HTTP/1.1\r\nHost: h\r\n\r\n", 0, "GET //a/../%2e?b=%zz?&| 1 [host=h] "},
	{"9112 3.2.2", "the absolute form replaces Host", "GET http://i:81/a HTTP/1.1\r\nA: 1\r\nHost: h\r\n\r\n", 0, "GET http://i:81/a 1 [a=1 host=i:81] "},
	{"9112 3.2.2", "its scheme may be in capitals", "GET HTTPS://i?a HTTP/1.1\r\nHost: h\r\n\r\n", 0, "GET HTTPS://i?a 1 [host=i] "},
	{"9112 3.2.2", "in HTTP/1.0 it adds Host", "GET http://i HTTP/1.0\r\nA: 1\r\n\r\n", 0, "GET http://i 0 [host=i a=1] "},
	{"9112 3.2.2", "a replaced Host must be valid too", "GET http://i/ HTTP/1.1\r\nHost: a b\r\n\r\n", 400, ""},
	{"9112 3.2.2", "the absolute form has a host", "GET http:///a HTTP/1.1\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 3.2.2", "it has no user", "GET http://u@h/a HTTP/1.1\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 3.2.2", "it has an http scheme", "GET ftp://h/a HTTP/1.1\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 3.2.3", "CONNECT has a host and a port", "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 0, "CONNECT h:80 1 [host=h] "},
	{"9112 3.2.3", "CONNECT has no path", "CONNECT /a HTTP/1.1\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 3.2.3", "CONNECT needs a port", "CONNECT h HTTP/1.1\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 3.2.3", "a host and a port belong to CONNECT", "GET h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 400, ""},
	{"9112 3.2.4", "a star belongs to OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 0, "OPTIONS * 1 [host=h] "},
	{"9112 3.2.4", "and to no other method", "GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400, ""},

	{"9112 5", "a header has a colon", get("A"), 400, ""},
	{"9112 5", "a name is not empty", get(": 1"), 400, ""},
	{"9112 5", "a value may be empty", get("A:\r\nB: "), 0, "GET / 1 [host=h a= b=] "},
	{"9112 5.1", "no space comes before the colon", get("A : 1"), 400, ""},
	{"9112 5.1", "no tab comes before the colon", get("Transfer-Encoding\t: chunked"), 400, ""},
	{"9112 5.1", "space around a value does not belong to it", get("A: \t1 2\t "), 0, "GET / 1 [host=h a=1 2] "},
	{"9112 5.1", "space after the colon is optional", get("A:1"), 0, "GET / 1 [host=h a=1] "},
	{"9112 5.1", "only the first colon ends the name", get("A:b:c"), 0, "GET / 1 [host=h a=b:c] "},
	{"9112 5.2", "a folded line is invalid", get("A: 1\r\n 2"), 400, ""},
	{"9112 5.2", "a line folded with a tab is invalid", get("A: 1\r\n\t2"), 400, ""},
	{"9112 5.2", "a folded empty line is invalid", get("A: 1\r\n "), 400, ""},
	{"9112 5.2", "a folded length is invalid", post("Content-Length:\r\n 3", "abc"), 400, ""},

	{"9112 6", "a request without a length has no body", post("A: 1", ""), 0, "POST / 1 [host=h a=1] "},
	{"9112 6", "any method may have a body", get("Content-Length: 1") + "a", 0, "GET / 1 [host=h content-length=1] a"},
	{"9112 6.1", "chunked is the coding of a body without a length", chunked + "3\r\nabc\r\n0\r\n\r\n", 0, "POST / 1 [host=h transfer-encoding=chunked] abc"},
	{"9112 6.1", "a coding is case-insensitive", post("Transfer-Encoding: CHUNKed", "1\r\na\r\n0\r\n\r\n"), 0, "POST / 1 [host=h transfer-encoding=CHUNKed] a"},
	{"9112 6.1", "an unknown coding is not supported", post("Transfer-Encoding: gzip", ""), 501, ""},
	{"9112 6.1", "nor is one before chunked", post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n"), 501, ""},
	{"9112 6.1", "nor is one after chunked", post("Transfer-Encoding: chunked, gzip", "0\r\n\r\n"), 501, ""},
	{"9112 6.1", "nor is one in a second header", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip", "0\r\n\r\n"), 501, ""},
	{"9112 6.1", "nor is one in a first header", post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), 501, ""},
	{"9112 6.1", "chunked is not applied twice", post("Transfer-Encoding: chunked, chunked", "0\r\n\r\n"), 501, ""},
	{"9112 6.1", "nor in two headers", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), 501, ""},
	{"9112 6.1", "identity is no coding", post("Transfer-Encoding: identity", ""), 501, ""},
	{"9112 6.1", "a coding is not empty", post("Transfer-Encoding:", ""), 501, ""},
	{"9112 6.1", "an empty member of the list may be refused", post("Transfer-Encoding: chunked,", "0\r\n\r\n"), 501, ""},
	{"9112 6.1", "a parameter may be refused", post("Transfer-Encoding: chunked;a=b", "0\r\n\r\n"), 501, ""},
	{"9112 6.1", "quotes are no coding", post("Transfer-Encoding: \"chunked\"", "0\r\n\r\n"), 501, ""},
	{"9112 6.1", "a prefix makes another coding", post("Transfer-Encoding: xchunked", "0\r\n\r\n"), 501, ""},
	{"9112 6.1", "a vertical tab is no space", post("Transfer-Encoding: \vchunked", "0\r\n\r\n"), 400, ""},
	{"9112 6.1", "a coding in HTTP/1.0 is invalid framing", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, ""},
	{"9112 6.1", "a coding and a length may be refused", post("Transfer-Encoding: chunked\r\nContent-Length: 3", "0\r\n\r\n"), 400, ""},
	{"9112 6.1", "a length and a coding too", post("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), 400, ""},
	{"9112 6.1", "a length and an unknown coding too", post("Content-Length: 5\r\nTransfer-Encoding: gzip", "0\r\n\r\n"), 400, ""},
	{"9112 6.1", "a length of zero and a coding too", post("Content-Length: 0\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), 400, ""},
	{"9112 6.2", "a length is decimal", post("Content-Length: 3", "abc"), 0, "POST / 1 [host=h content-length=3] abc"},
	{"9112 6.2", "a length may have zeros", post("Content-Length: 0003", "abc"), 0, "POST / 1 [host=h content-length=0003] abc"},
	{"9112 6.2", "a length may be zero", post("Content-Length: 0", ""), 0, "POST / 1 [host=h content-length=0] "},
	{"9112 6.3", "a length is not negative", post("Content-Length: -1", ""), 400, ""},
	{"9112 6.3", "a length has no sign", post("Content-Length: +3", "abc"), 400, ""},
	{"9112 6.3", "a length is not hexadecimal", post("Content-Length: 0x3", "abc"), 400, ""},
	{"9112 6.3", "a length is not empty", post("Content-Length:", ""), 400, ""},
	{"9112 6.3", "a length has no space within", post("Content-Length: 1 0", "abcdefghij"), 400, ""},
	{"9112 6.3", "a length has no fraction", post("Content-Length: 3.0", "abc"), 400, ""},
	{"9112 6.3", "a length fits 64 bits", post("Content-Length: 9223372036854775808", ""), 400, ""},
	{"9112 6.3", "a length that wraps around is invalid", post("Content-Length: 18446744073709551619", "abc"), 400, ""},
	{"9112 6.3", "equal lengths become one", post("Content-Length: 3\r\nA: 1\r\ncontent-length: 3", "abc"), 0, "POST / 1 [host=h content-length=3 a=1] abc"},
	{"9112 6.3", "different lengths are invalid", post("Content-Length: 3\r\nContent-Length: 4", "abcd"), 400, ""},
	{"9112 6.3", "different forms of a length may be refused", post("Content-Length: 3\r\nContent-Length: 03", "abc"), 400, ""},
	{"9112 6.3", "a list of equal lengths may be refused", post("Content-Length: 3, 3", "abc"), 400, ""},
	{"9112 6.3", "a list of different lengths is invalid", post("Content-Length: 3, 4", "abcd"), 400, ""},
	{"9112 6.3", "an invalid length after a valid one is invalid", post("Content-Length: 3\r\nContent-Length: x", "abc"), 400, ""},

	{"9112 7.1", "chunks are joined", chunked + "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", 0, "POST / 1 [host=h transfer-encoding=chunked] abc"},
	{"9112 7.1", "a size is hexadecimal in either case", chunked + "A\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n", 0, "POST / 1 [host=h transfer-encoding=chunked] 01234567890123456789a"},
	{"9112 7.1", "a size may have zeros", chunked + "0003\r\nabc\r\n000\r\n\r\n", 0, "POST / 1 [host=h transfer-encoding=chunked] abc"},
	{"9112 7.1", "a chunk may contain line ends", chunked + "5\r\n\r\n0\r\n\r\n0\r\n\r\n", 0, "POST / 1 [host=h transfer-encoding=chunked] \r\n0\r\n"},
	{"9112 7.1", "a body may consist of the last chunk", chunked + "0\r\n\r\n", 0, "POST / 1 [host=h transfer-encoding=chunked] "},
	{"9112 7.1", "a chunk has a size", chunked + "\r\n\r\n", 400, ""},
	{"9112 7.1", "a size has no prefix", chunked + "0x3\r\nabc\r\n0\r\n\r\n", 400, ""},
	{"9112 7.1", "a size has no sign", chunked + "-3\r\nabc\r\n0\r\n\r\n", 400, ""},
	{"9112 7.1", "a size has no plus", chunked + "+3\r\nabc\r\n0\r\n\r\n", 400, ""},
	{"9112 7.1", "a size has no separators", chunked + "1_0\r\n0123456789abcdef\r\n0\r\n\r\n", 400, ""},
	{"9112 7.1", "no space comes before a size", chunked + " 3\r\nabc\r\n0\r\n\r\n", 400, ""},
	{"9112 7.1", "no space comes after a size", chunked + "3 \r\nabc\r\n0\r\n\r\n", 400, ""},
	{"9112 7.1", "a size fits 63 bits", chunked + "8000000000000000\r\n", 400, ""},
	{"9112 7.1", "a size that wraps around is invalid", chunked + "10000000000000003\r\nabc\r\n0\r\n\r\n", 400, ""},
	{"9112 7.1", "a size of many zeros may be refused", chunked + "00000000000000003\r\nabc\r\n0\r\n\r\n", 400, ""},
	{"9112 7.1", "a chunk is not longer than its size", chunked + "2\r\nabc\r\n0\r\n\r\n", 400, ""},
	{"9112 7.1", "a chunk is not shorter than its size", chunked + "4\r\nabc\r\n0\r\n\r\n", 400, ""},
	{"9112 7.1", "a size ends in CR LF", chunked + "3\nabc\r\n0\r\n\r\n", 400, ""},
	{"9112 7.1", "a size has no bare CR", chunked + "3\r\r\nabc\r\n0\r\n\r\n", 400, ""},
	{"9112 7.1", "a chunk ends in CR LF", chunked + "3\r\nabc\n0\r\n\r\n", 400, ""},
	{"9112 7.1", "the last chunk ends in CR LF", chunked + "0\n\r\n", 400, ""},
	{"9112 7.1", "the empty line ends in CR LF", chunked + "0\r\n\n", 400, ""},
	{"9112 7.1.1", "extensions are ignored", chunked + "3;a;b=c;d=\"e\\\";\xff\"\r\nabc\r\n0;f\r\n\r\n", 0, "POST / 1 [host=h transfer-encoding=chunked] abc"},
	{"9112 7.1.1", "space around their parts is ignored", chunked + "3 ; a = b\t;c\r\nabc\r\n0\r\n\r\n", 0, "POST / 1 [host=h transfer-encoding=chunked] abc"},
	{"9112 7.1.1", "an extension has a name", chunked + "3;\r\nabc\r\n0\r\n\r\n", 400, ""},
	{"9112 7.1.1", "a name is a token", chunked + "3;a@b\r\nabc\r\n0\r\n\r\n", 400, ""},
	{"9112 7.1.1", "a value follows =", chunked + "3;a=\r\nabc\r\n0\r\n\r\n", 400, ""},
	{"9112 7.1.1", "quotes are closed", chunked + "3;a=\"b\r\nabc\r\n0\r\n\r\n", 400, ""},
	{"9112 7.1.1", "an escape does not close quotes", chunked + "3;a=\"b\\\"\r\nabc\r\n0\r\n\r\n", 400, ""},
	{"9112 7.1.1", "an extension has no line end", chunked + "3;a=\"\n\"\r\nabc\r\n0\r\n\r\n", 400, ""},
	{"9112 7.1.1", "an extension has no bare CR", chunked + "3;a\rb\r\nabc\r\n0\r\n\r\n", 400, ""},
	{"9112 7.1.1", "an extension follows a semicolon", chunked + "3 a\r\nabc\r\n0\r\n\r\n", 400, ""},
	{"9112 7.1.1", "a long extension is refused", chunked + "3;" + strings.Repeat("a", 4<<10) + "\r\nabc\r\n0\r\n\r\n", 400, ""},
	{"9112 7.1.1", "many long extensions are refused", chunked + strings.Repeat("1;"+strings.Repeat("a", 1<<10)+"\r\nb\r\n", 20) + "0\r\n\r\n", 400, ""},
	{"9112 7.1.2", "trailers are dropped", chunked + "1\r\na\r\n0\r\nContent-Length: 5\r\nTransfer-Encoding: x\r\n\r\n", 0, "POST / 1 [host=h transfer-encoding=chunked] a"},
	{"9112 7.1.2", "a trailer has a colon", chunked + "0\r\nA\r\n\r\n", 400, ""},
	{"9112 7.1.2", "a trailer has a name", chunked + "0\r\n: 1\r\n\r\n", 400, ""},
	{"9112 7.1.2", "no space comes before its colon", chunked + "0\r\nA : 1\r\n\r\n", 400, ""},
	{"9112 7.1.2", "a trailer is not folded", chunked + "0\r\nA: 1\r\n 2\r\n\r\n", 400, ""},
	{"9112 7.1.2", "a trailer ends in CR LF", chunked + "0\r\nA: 1\n\r\n", 400, ""},
	{"9112 7.1.2", "a trailer has no control characters", chunked + "0\r\nA: \x00\r\n\r\n", 400, ""},
	{"9112 7.1.2", "a long trailer is refused", chunked + "0\r\nA: " + strings.Repeat("a", 4<<10) + "\r\n\r\n", 400, ""},
	{"9112 7.1.2", "many trailers are refused", chunked + "0\r\n" + strings.Repeat("A: 1\r\n", 1000) + "\r\n", 400, ""},
	{"9112 7.4", "the codings that a client accepts do not matter", get("TE: trailers, gzip;q=0.5"), 0, "GET / 1 [host=h te=trailers, gzip;q=0.5] "},

	{"9110 5.1", "a name is case-insensitive", "POST / HTTP/1.1\r\nHOST: h\r\ncOntent-leNgth: 1\r\n\r\na", 0, "POST / 1 [host=h content-length=1] a"},
	{"9110 5.1", "an unknown header is accepted", get("Foo-Bar_baz: 1"), 0, "GET / 1 [host=h foo-bar_baz=1] "},
	{"9110 5.3", "the order of equal names is kept", get("B: 1\r\nA: 2\r\nb: 3"), 0, "GET / 1 [host=h b=1 a=2 b=3] "},
	{"9110 5.4", "a header over the limit is too long", get("A: " + strings.Repeat("a", 64<<10)), 431, ""},
	{"9110 5.4", "as many header lines as the limit are accepted", "GET / HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("Content-Length: 0\r\n", 199) + "\r\n", 0, "GET / 1 [host=h content-length=0] "},
	{"9110 5.4", "more header lines are too many", get(strings.Repeat("A: b\r\n", 199) + "C: d"), 431, ""},
	{"9110 5.4", "a header without an end within the limits is too long", get("A: " + strings.Repeat("a", 81<<10)), 431, ""},
	{"9110 5.5", "a value may contain tabs and bytes beyond ASCII", get("A: \xe9\t\xff"), 0, "GET / 1 [host=h a=\xe9\t\xff] "},
	{"9110 5.5", "a value contains no NUL", get("A: a\x00b"), 400, ""},
	{"9110 5.5", "nor other control characters", get("A: a\x1bb"), 400, ""},
	{"9110 5.5", "nor DEL", get("A: a\x7fb"), 400, ""},
	{"9110 5.6.1", "empty members of a list are ignored", get("Connection: ,a,, b"), 0, "GET / 1 [host=h connection=,a,, b] "},
	{"9110 5.6.2", "a name is a token", get("A\"B: 1"), 400, ""},
	{"9110 5.6.2", "a token has no brackets", get("A(B): 1"), 400, ""},
	{"9110 5.6.2", "a token has no slash", get("A/B: 1"), 400, ""},
	{"9110 5.6.2", "a token is ASCII", get("\xc3\xa9: 1"), 400, ""},
	{"9110 5.6.2", "a token has no NUL", get("A\x00: 1"), 400, ""},
	{"9110 5.6.2", "a token may have other characters", get("!#$%&'*+-.^_`|~09azAZ: 1"), 0, "GET / 1 [host=h !#$%&'*+-.^_`|~09azaz=1] "},
	{"9110 10.1.1", "an unknown expectation may be refused", get("Expect: miracles"), 417, ""},
	{"9110 10.1.1", "also beside another one", get("Expect: 100-continue, miracles"), 417, ""},
}

func TestVerdicts(t *testing.T) {
	for _, c := range verdicts {
		t.Run(c.section+" "+c.rule, func(t *testing.T) {
			r := NewReader(strings.NewReader(c.in+probe), limits)
			var got []string
			for {
				q, err := r.Next()
				var body []byte
				if err == nil {
					body, err = io.ReadAll(r)
				}
				if err != nil {
					status := 0
					if refused := new(Error); errors.As(err, &refused) {
						status = refused.Status
					} else if err != io.EOF {
						t.Error(err)
					}
					if status != c.status {
						t.Errorf("%q: error %q with status %d, want %d", got, err, status, c.status)
					}
					break
				}
				got = append(got, summary(q)+string(body))
			}
			var want []string
			if c.want != "" {
				want = append(want, c.want)
			}
			if c.status == 0 {
				want = append(want, "GET /probe 1 [host=h] ")
			}
			if !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

// summary returns the parts of a request in short.
func summary(q *Request) string {
	var b strings.Builder
	b.WriteString(q.Method + " " + q.Target + " " + string('0'+rune(q.Minor)) + " [")
	for i, h := range q.Headers {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(h.Name + "=" + h.Value)
	}
	return b.String() + "] "
}
