package inspector

import (
	"slices"
	"strconv"
	"strings"

	"asgibox/asgi"
)

// A filter selects messages. It consists of terms, and a message must match all
// of them:
//
//	channel:websocket.*  path:/chat/*  kind:refused  group:chat-*
//	trace:00c0ffee       reply:web!x   gen:3         text:"hello you"
//	hello                -channel:http.*
//
// A word without a key is searched for everywhere. A minus negates a term. A
// star matches any text. Values that are separated by commas are alternatives.
type filter struct{ terms []term }

// A vocabulary is what the terms of a filter may say about items of a type.
type vocabulary[T any] struct {
	keys     map[string]func(item T, value string) bool
	anywhere func(item T, word string) bool // for a word without a key, in lower case
	check    func(term) error               // fails if no item can match a term
	names    string                         // of the keys, for errors
}

type term struct {
	negated bool
	key     string // empty for a word without a key
	values  []string
}

// filterKeys are the keys of terms.
var filterKeys = map[string]func(e *entry, value string) bool{
	"channel": func(e *entry, v string) bool { return asgi.MatchName(v, e.channel) },
	"group":   func(e *entry, v string) bool { return e.group != "" && asgi.MatchName(v, e.group) },
	"path":    func(e *entry, v string) bool { return asgi.MatchName(v, e.chain.path) },
	"kind":    func(e *entry, v string) bool { return asgi.MatchName(v, e.outcome()) },
	"trace":   func(e *entry, v string) bool { return strings.HasPrefix(e.trace.String(), strings.ToLower(v)) },
	"text":    func(e *entry, v string) bool { return contains(e.message().Dict, strings.ToLower(v)) },
	"gen": func(e *entry, v string) bool {
		return strconv.FormatUint(e.generation, 10) == v || strconv.FormatUint(e.taker, 10) == v
	},
	"reply": func(e *entry, v string) bool {
		return asgi.MatchName(v, e.channel) || asgi.MatchName(v, e.reply)
	},
}

// messageTerms are the terms of a filter of messages.
var messageTerms = vocabulary[*entry]{filterKeys, anywhere, term.check, "channel, path, kind, group, text, trace, reply or gen"}

// parseFilter parses a filter. An empty one accepts all messages.
func parseFilter(text string) (*filter, error) {
	terms, err := messageTerms.parse(text)
	return &filter{terms}, err
}

func (v *vocabulary[T]) parse(text string) (terms []term, err error) {
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimSpace(rest) {
		var word string
		if word, rest, err = nextWord(rest); err != nil {
			return nil, err
		}
		t, err := v.parseTerm(word)
		if err != nil {
			return nil, err
		}
		terms = append(terms, t)
	}
	return terms, nil
}

// nextWord cuts off the first word. Spaces in quotes are part of a word.
func nextWord(text string) (word, rest string, err error) {
	quoted := false
	for i, r := range text {
		switch {
		case r == '"':
			quoted = !quoted
		case r == ' ' && !quoted:
			return text[:i], text[i:], nil
		}
	}
	if quoted {
		return "", "", badRequest("filter: the quote in %q is not closed", text)
	}
	return text, "", nil
}

func (v *vocabulary[T]) parseTerm(word string) (term, error) {
	var t term
	if strings.HasPrefix(word, "-") && len(word) > 1 {
		t.negated, word = true, word[1:]
	}
	key, value, keyed := strings.Cut(word, ":")
	if keyed && isWord(key) {
		if v.keys[key] == nil {
			return t, badRequest("filter: unknown key %s:; use %s", key, v.names)
		}
		t.key, word = key, value
	}
	word = strings.ReplaceAll(word, `"`, "")
	if t.key == "" || t.key == "text" {
		t.values = []string{strings.ToLower(word)}
	} else {
		t.values = strings.Split(word, ",")
	}
	return t, v.check(t)
}

// check returns an error if no message can have a value.
func (t term) check() error {
	for _, v := range t.values {
		switch {
		case t.key == "kind" && !slices.ContainsFunc(outcomes, func(name string) bool { return asgi.MatchName(v, name) }):
			return badRequest("filter: unknown kind %s; use %s", v, kindList())
		case t.key == "gen" && strings.Trim(v, "0123456789") != "":
			return badRequest("filter: gen:%s must be a number", v)
		case t.key == "trace" && (len(v) > 16 || strings.Trim(strings.ToLower(v), "0123456789abcdef") != ""):
			return badRequest("filter: trace:%s must have up to 16 hexadecimal digits", v)
		}
	}
	return nil
}

func kindList() string {
	last := len(outcomes) - 1
	return strings.Join(outcomes[:last], ", ") + " or \"" + outcomes[last] + "\""
}

func isWord(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") == ""
}

func (f *filter) accepts(e *entry) bool { return messageTerms.accept(f.terms, e) }

// accept reports whether an item matches all terms.
func (v *vocabulary[T]) accept(terms []term, item T) bool {
	for _, t := range terms {
		if v.matches(t, item) == t.negated {
			return false
		}
	}
	return true
}

func (v *vocabulary[T]) matches(t term, item T) bool {
	for _, value := range t.values {
		if t.key == "" && v.anywhere(item, value) || t.key != "" && v.keys[t.key](item, value) {
			return true
		}
	}
	return false
}

func anywhere(e *entry, word string) bool {
	for _, s := range []string{e.channel, e.group, e.chain.path, e.trace.String(), e.reason, e.failureText()} {
		if strings.Contains(strings.ToLower(s), word) {
			return true
		}
	}
	return contains(e.message().Dict, word)
}

// contains reports whether a lower-case text occurs anywhere in a value.
func contains(v any, word string) bool {
	switch v := v.(type) {
	case string:
		return strings.Contains(strings.ToLower(v), word)
	case asgi.Bytes:
		return strings.Contains(strings.ToLower(string(v)), word)
	case int64:
		return strconv.FormatInt(v, 10) == word
	case asgi.List:
		for _, item := range v.All() {
			if contains(item, word) {
				return true
			}
		}
	case asgi.Dict:
		for key, item := range v.All() {
			if strings.Contains(strings.ToLower(key), word) || contains(item, word) {
				return true
			}
		}
	}
	return false
}
