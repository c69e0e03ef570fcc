package http1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// refusedOnlyHere lists the reasons for which this package refuses requests that
// http.ReadRequest accepts.
var refusedOnlyHere = map[string]string{
	"the version of the request is neither HTTP/1.0 nor HTTP/1.1":                                    "http.Server checks it later",
	"the name of a header is not a token":                                                            "http.Server refuses space before a colon later",
	"there is no Host header":                                                                        "http.Server checks it later",
	"the Host header is invalid":                                                                     "http.Server checks its characters later, RFC 9112 3.2 wants all of its form checked",
	"this server supports no expectation other than 100-continue":                                    "http.Server checks it later",
	"the request target contains bytes that are not ASCII; percent-encode them":                      "RFC 3986: a URL is ASCII",
	"the request target contains a fragment (#)":                                                     "RFC 9112 3.2: no form has one",
	"the request target is neither a path nor an http or https URL":                                  "RFC 9112 3.2: GET * and other schemes",
	"the host of the request target is invalid":                                                      "RFC 9110 4.2.1 and 4.2.4: no empty host, no user",
	"the target of CONNECT must be a host and a port":                                                "RFC 9112 3.2.3",
	"a header line begins with a space or tab":                                                       "RFC 9112 5.2 lets a server refuse it",
	"there are both Content-Length and Transfer-Encoding":                                            "RFC 9112 6.1 lets a server refuse it",
	"Transfer-Encoding is not allowed in HTTP/1.0":                                                   "RFC 9112 6.1: invalid framing",
	"a chunk size is followed by an invalid extension":                                               "RFC 9112 7.1.1: net/http skips the rest of the line",
	"a chunk size is too large":                                                                      "net/http accepts sizes past 63 bits",
	"a line of the chunked body ends without CR":                                                     "RFC 9112 7.1: net/http accepts it in trailers",
	"a line of the chunked body is too long":                                                         "net/http does not count CR LF",
	"the trailer of the chunked body is too long":                                                    "net/http limits it by its buffer",
	"the request target is too long":                                                                 "http.ReadRequest has no limit",
	"the request headers are too long":                                                               "http.ReadRequest has no limit",
	"the request line must consist of a method, a target and a version, with one space between them": "after eight empty lines",
}

// refusedOnlyByNetHTTP lists parts of the errors of http.ReadRequest for requests
// that this package accepts.
var refusedOnlyByNetHTTP = map[string]string{
	"invalid URL escape":           "the caller decodes the path and refuses it",
	"bad trailer key":              "trailers are dropped, so their announcement does not matter",
	"invalid byte in chunk length": "RFC 9112 7.1.1: space before an extension must be removed",
	"suspiciously long trailer":    "net/http wants the whole trailer in its buffer",
	"invalid port":                 "of a host with several colons, which are escaped",
}

// FuzzRequests checks that this package and net/http agree about requests, and
// that the size of the pieces in which they arrive makes no difference.
func FuzzRequests(f *testing.F) {
	for _, c := range verdicts {
		if len(c.in) < 1000 {
			f.Add([]byte(c.in + probe))
		}
	}
	f.Add([]byte(browserGet + browserGet + probe))
	f.Fuzz(func(t *testing.T, in []byte) {
		compare(t, in)
		text := string(in)
		want := transcript(&feed{in: text, piece: len(in) + 1}, bufferSize)
		piece := 1
		if len(in) > 0 {
			piece += int(in[len(in)-1]) % 16
		}
		if got := transcript(&feed{in: text, piece: piece, late: true}, piece); got != want {
			t.Errorf("in pieces of %d: %s\nwhole: %s", piece, got, want)
		}
	})
}

func compare(t *testing.T, in []byte) {
	theirs := bufio.NewReader(bytes.NewReader(in))
	ours := NewReader(bytes.NewReader(in), limits)
	for {
		skipEmptyLines(theirs)
		q, err := ours.Next()
		if err == ErrHTTP2 {
			return
		}
		r, theirErr := http.ReadRequest(theirs)
		if !agree(t, err, theirErr) {
			return
		}
		checkHead(t, q, r)
		body, err := io.ReadAll(ours)
		theirBody, theirErr := io.ReadAll(r.Body)
		if !bytes.HasPrefix(body, theirBody) && !bytes.HasPrefix(theirBody, body) {
			t.Errorf("body %q, net/http %q", body, theirBody)
		}
		if err == nil {
			err = map[bool]error{false: errUnread}[ours.BodyDone()]
		}
		if !agree(t, err, theirErr) {
			return
		}
		if len(body) != len(theirBody) {
			t.Errorf("body %q, net/http %q", body, theirBody)
		}
	}
}

// skipEmptyLines removes the empty lines before a request that this package
// ignores, because http.ReadRequest refuses them.
func skipEmptyLines(r *bufio.Reader) {
	for range maxEmptyLines {
		if next, _ := r.Peek(2); string(next) == "\r\n" {
			r.Discard(2)
		} else if len(next) > 0 && next[0] == '\n' {
			r.Discard(1)
		}
	}
}

// agree reports whether both have accepted a request or body. It fails the test
// if one of them has not and the reason is not listed.
func agree(t *testing.T, err, theirs error) bool {
	var refused *Error
	switch {
	case err == nil && theirs == nil:
		return true
	case err != nil && theirs != nil:
		return false
	case err == nil:
		for part := range refusedOnlyByNetHTTP {
			if strings.Contains(theirs.Error(), part) {
				return false
			}
		}
		t.Errorf("only net/http refuses it: %v", theirs)
	case !errors.As(err, &refused):
		t.Errorf("net/http accepts it, here: %v", err)
	case refusedOnlyHere[refused.Reason] == "":
		t.Errorf("net/http accepts it, here it is refused with %d: %v", refused.Status, err)
	}
	return false
}

// checkHead compares a request with that of net/http.
func checkHead(t *testing.T, q *Request, r *http.Request) {
	if q.Method != r.Method || q.Target != r.RequestURI || q.Close != r.Close || q.Length != r.ContentLength {
		t.Errorf("%+v, net/http %+v", q, r)
	}
	if q.Host != r.Host && !strings.Contains(q.Host, "%") && q.Method != "CONNECT" {
		t.Errorf("host %q, net/http %q", q.Host, r.Host)
	}
	if want := min(r.ProtoMinor, 1); q.Minor != want || r.ProtoMajor != 1 {
		t.Errorf("version 1.%d, net/http %s", q.Minor, r.Proto)
	}
	h := make(http.Header)
	for _, f := range q.Headers {
		if f.Name != strings.ToLower(f.Name) || !ValidName(f.Name) || !ValidValue(f.Value) {
			t.Errorf("header %q", f)
		}
		h.Add(f.Name, f.Value)
	}
	// net/http moves these to other fields, and adds Cache-Control to Pragma.
	h.Del("Host")
	h.Del("Transfer-Encoding")
	if q.Length < 0 {
		h.Del("Trailer")
	}
	if h.Get("Pragma") == "no-cache" && !slices.Contains(h["Cache-Control"], "no-cache") && len(h["Cache-Control"]) == 0 {
		h.Set("Cache-Control", "no-cache")
	}
	if !reflect.DeepEqual(h, r.Header) {
		t.Errorf("headers %q, net/http %q", h, r.Header)
	}
}

// TestDifferencesFromNetHTTP compares the readers on all inputs of TestVerdicts.
func TestDifferencesFromNetHTTP(t *testing.T) {
	for _, c := range verdicts {
		compare(t, []byte(c.in+probe))
	}
}
