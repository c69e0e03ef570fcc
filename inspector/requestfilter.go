package inspector

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"asgibox/asgi"
)

// A requestFilter selects requests. It consists of terms:
//
//	method:POST  path:/chat/*  status:5xx  state:streaming  type:*json
//	is:socket    handler:vote  client:127.0.0.1  slower:100  trace:00c0ffee  hello
type requestFilter struct{ terms []term }

// requestKeys are the keys of its terms.
var requestKeys = map[string]func(x *exchange, value string) bool{
	"method": func(x *exchange, v string) bool { return strings.EqualFold(x.method, v) },
	"path": func(x *exchange, v string) bool {
		path, _, _ := strings.Cut(x.path, "?")
		return asgi.MatchName(v, path)
	},
	"status":  matchesStatus,
	"state":   func(x *exchange, v string) bool { return x.state() == v },
	"is":      func(x *exchange, v string) bool { return x.is(v) },
	"type":    func(x *exchange, v string) bool { return asgi.MatchName(strings.ToLower(v), x.media) },
	"handler": func(x *exchange, v string) bool { return containsFold(x.handler(), v) },
	"client":  func(x *exchange, v string) bool { return containsFold(x.client, v) },
	"trace": func(x *exchange, v string) bool {
		return x.first != nil && strings.HasPrefix(x.first.trace.String(), strings.ToLower(v))
	},
	"slower": func(x *exchange, v string) bool {
		ms, _ := strconv.ParseFloat(v, 64)
		return x.took() > time.Duration(ms*float64(time.Millisecond))
	},
}

// requestTerms are the terms of a filter of requests.
var requestTerms = vocabulary[*exchange]{requestKeys, (*exchange).mentions, checkRequestTerm,
	"method, path, status, state, is, type, handler, client, slower or trace"}

func parseRequestFilter(text string) (requestFilter, error) {
	terms, err := requestTerms.parse(text)
	return requestFilter{terms}, err
}

func (f requestFilter) accepts(x *exchange) bool { return requestTerms.accept(f.terms, x) }

// kinds are the values of the term is.
var kinds = []string{"http", "socket", "error"}

func (x *exchange) is(kind string) bool {
	switch kind {
	case "http":
		return !x.socket
	case "socket":
		return x.socket
	}
	status := x.shownStatus()
	return x.first != nil && x.first.failed() || status >= 400 && status < 600 ||
		x.socket && x.ended() && status >= 1002 && status != 1005
}

// shownStatus returns the HTTP status or close code, or zero.
func (x *exchange) shownStatus() int {
	if x.visit != nil && x.visit.Status != 0 {
		return x.visit.Status
	}
	return x.status
}

// matchesStatus matches 404, 4xx and 4*.
func matchesStatus(x *exchange, v string) bool {
	status := x.shownStatus()
	return status != 0 && asgi.MatchName(strings.ReplaceAll(v, "xx", "*"), strconv.Itoa(status))
}

func (x *exchange) handler() string {
	if x.first == nil || x.first.span == nil {
		return ""
	}
	return x.first.span.Handler
}

// took returns how long the exchange took, or has taken so far.
func (x *exchange) took() time.Duration {
	switch {
	case x.ended():
		return x.visit.Duration
	case !x.over.IsZero():
		return x.over.Sub(x.began)
	}
	return time.Since(x.began)
}

// mentions reports whether a word in lower case occurs in the line of the exchange.
func (x *exchange) mentions(word string) bool {
	for _, text := range []string{x.method + " " + x.path, x.handler(), x.client, x.media, x.state(), strconv.Itoa(x.shownStatus())} {
		if containsFold(text, word) {
			return true
		}
	}
	return false
}

func containsFold(text, word string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(word))
}

// checkRequestTerm returns an error if no request can match a term.
func checkRequestTerm(t term) error {
	for _, v := range t.values {
		switch {
		case t.key == "state" && !slices.Contains(states, v):
			return badRequest("filter: unknown state %s; use %s", v, strings.Join(states, ", "))
		case t.key == "is" && !slices.Contains(kinds, v):
			return badRequest("filter: unknown is:%s; use %s", v, strings.Join(kinds, ", "))
		case t.key == "slower":
			if ms, err := strconv.ParseFloat(v, 64); err != nil || ms < 0 {
				return badRequest("filter: slower:%s must be a number of milliseconds", v)
			}
		case t.key == "trace":
			return term.check(t)
		}
	}
	return nil
}
