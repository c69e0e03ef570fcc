package inspector

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"asgibox/asgi"
	"asgibox/store"
)

// A filter says which messages to show. It is written as terms that must all
// hold:
//
//	channel:websocket.*  path:/chat/*  kind:refused  group:chat-*
//	trace:00c0ffee       reply:web!x   gen:3         text:"hello you"
//	hello                -channel:http.*
//
// A bare word is looked for everywhere; a minus negates; a star stands for any
// text. Several values of one key, separated by commas, are alternatives.
type filter struct{ terms []term }

type term struct {
	negated bool
	key     string // empty for a bare word
	values  []string
}

// filterKeys are what a term may begin with.
var filterKeys = map[string]func(e *entry, value string) bool{
	"channel": func(e *entry, v string) bool { return fits(v, e.channel) },
	"group":   func(e *entry, v string) bool { return e.group != "" && fits(v, e.group) },
	"path":    func(e *entry, v string) bool { return fits(v, e.chain.path) },
	"kind":    func(e *entry, v string) bool { return fits(v, e.kind.String()) },
	"trace":   func(e *entry, v string) bool { return strings.HasPrefix(e.trace.String(), strings.ToLower(v)) },
	"text":    func(e *entry, v string) bool { return contains(e.message().Dict, strings.ToLower(v)) },
	"gen": func(e *entry, v string) bool {
		return strconv.FormatUint(e.generation, 10) == v || strconv.FormatUint(e.taker, 10) == v
	},
	"reply": func(e *entry, v string) bool {
		return fits(v, e.channel) || fits(v, e.reply)
	},
}

// parseFilter reads a filter. An empty one accepts all.
func parseFilter(text string) (*filter, error) {
	f := &filter{}
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimSpace(rest) {
		var word string
		var err error
		if word, rest, err = nextWord(rest); err != nil {
			return nil, err
		}
		t, err := parseTerm(word)
		if err != nil {
			return nil, err
		}
		f.terms = append(f.terms, t)
	}
	return f, nil
}

// nextWord cuts a word off, whose spaces may stand in quotes.
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
		return "", "", fmt.Errorf("filter: the quote in %q is not closed", text)
	}
	return text, "", nil
}

func parseTerm(word string) (term, error) {
	var t term
	if strings.HasPrefix(word, "-") && len(word) > 1 {
		t.negated, word = true, word[1:]
	}
	key, value, keyed := strings.Cut(word, ":")
	if keyed && isWord(key) {
		if filterKeys[key] == nil {
			return t, fmt.Errorf("filter: there is no %s:, use channel, path, kind, group, text, trace, reply or gen", key)
		}
		t.key, word = key, value
	}
	word = strings.ReplaceAll(word, `"`, "")
	if t.key == "" || t.key == "text" {
		t.values = []string{strings.ToLower(word)}
	} else {
		t.values = strings.Split(word, ",")
	}
	return t, t.check()
}

// check tells of values that no message can have.
func (t term) check() error {
	for _, v := range t.values {
		switch {
		case t.key == "kind" && !slices.ContainsFunc(store.EventKinds(), func(k store.EventKind) bool { return fits(v, k.String()) }):
			return fmt.Errorf("filter: there is no kind %s, use %s", v, kindList())
		case t.key == "gen" && strings.Trim(v, "0123456789") != "":
			return fmt.Errorf("filter: a generation is a number, not %s", v)
		case t.key == "trace" && (len(v) > 16 || strings.Trim(strings.ToLower(v), "0123456789abcdef") != ""):
			return fmt.Errorf("filter: a trace has up to 16 digits from 0 to f, unlike %s", v)
		}
	}
	return nil
}

func kindList() string {
	var names []string
	for _, k := range store.EventKinds() {
		names = append(names, k.String())
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

func isWord(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") == ""
}

func (f *filter) accepts(e *entry) bool {
	for _, t := range f.terms {
		if t.holds(e) == t.negated {
			return false
		}
	}
	return true
}

func (t term) holds(e *entry) bool {
	for _, v := range t.values {
		if t.key == "" && anywhere(e, v) || t.key != "" && filterKeys[t.key](e, v) {
			return true
		}
	}
	return false
}

func anywhere(e *entry, word string) bool {
	for _, s := range []string{e.channel, e.group, e.chain.path, e.trace.String(), e.reason} {
		if strings.Contains(strings.ToLower(s), word) {
			return true
		}
	}
	return contains(e.message().Dict, word)
}

// contains reports whether a value holds a text, in lower case, anywhere.
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

// fits compares a text with a pattern in which stars stand for anything.
func fits(pattern, text string) bool {
	before, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == text
	}
	if !strings.HasPrefix(text, before) {
		return false
	}
	text = text[len(before):]
	for {
		middle, after, star := strings.Cut(rest, "*")
		if !star {
			return strings.HasSuffix(text, middle)
		}
		i := strings.Index(text, middle)
		if i < 0 {
			return false
		}
		text, rest = text[i+len(middle):], after
	}
}
