// Package routing finds the route of a message. A [Table] has the routes of one
// generation of an application, in any language. The package also finds mistakes
// in routes, and suggests what to change.
//
// A table is changed only while it is made; then it is safe for concurrent use.
package routing

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"asgibox/asgi"
	"asgibox/internal/spell"
	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/web"
)

// A Place is a position in a file of the application.
type Place struct {
	File      string
	Line, Col int // from 1; 0 if unknown
}

func (p Place) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// A Pattern is a regular expression that must match the start of a message's value
// for a key.
type Pattern struct {
	Key    string
	Source string // as the author wrote it
	re     *regexp.Regexp
}

// CompilePattern returns a pattern. It fails if the source is not RE2.
func CompilePattern(key, source string) (Pattern, error) {
	if _, err := regexp.Compile(source); err != nil { // its error quotes the pattern as written
		return Pattern{}, badPattern(key, source, err)
	}
	re, err := regexp.Compile(`^(?:` + source + `)`)
	if err != nil {
		return Pattern{}, badPattern(key, source, err)
	}
	return Pattern{key, source, re}, nil
}

func badPattern(key, source string, err error) error {
	var wrong *syntax.Error
	hint := ""
	if regexp.MustCompile(`\(\?[=!<]`).MatchString(source) && !strings.Contains(source, "(?<=") {
		hint = "patterns do not support look-ahead and look-behind: they use RE2 syntax"
	}
	if errors.As(err, &wrong) {
		return explain.Hintf(hint, "%s=%q is not a regular expression: %s: %s", key, source, wrong.Code, wrong.Expr)
	}
	return explain.Hintf(hint, "%s=%q: %v", key, source, err)
}

// A Route says which consumer handles which messages.
type Route struct {
	Kind        string // the function that made it: route, view or static
	Place       Place  // of the call that made it
	Channel     string
	Name        string // of the consumer
	At          Place  // of the consumer; empty if unknown
	Consumer    any    // belongs to the host
	Patterns    []Pattern
	Unordered   bool
	Concurrency int   // 0 means no limit
	View        *View // nil for route
}

// ConsumerName returns the name of the consumer, with its place.
func (o *Route) ConsumerName() string {
	if o.At.File == "" {
		return o.Name
	}
	return fmt.Sprintf("%s (%s)", o.Name, o.At)
}

// A View is the part of a route that only views and static files have.
type View struct {
	Path    *web.Path   // nil for files
	Methods []string    // upper case; nil means all
	Files   *web.Static // nil for a view
}

func (v *View) String() string {
	if v.Files != nil {
		return v.Files.String()
	}
	if len(v.Methods) == 0 {
		return fmt.Sprintf("view(%q)", v.Path)
	}
	return fmt.Sprintf("view(%q, methods=[%q])", v.Path, strings.Join(v.Methods, `", "`))
}

// params returns the names that the path captures.
func (v *View) params() []string {
	if v.Path == nil {
		return nil
	}
	return v.Path.Names()
}

// allowsMethod reports whether the view handles a method. GET includes HEAD.
func (v *View) allowsMethod(method string) bool {
	return len(v.Methods) == 0 || slices.Contains(v.Methods, method) || method == "HEAD" && slices.Contains(v.Methods, "GET")
}

func (v *View) allowedMethods() []string {
	if slices.Contains(v.Methods, "GET") {
		return append(slices.Clone(v.Methods), "HEAD")
	}
	return v.Methods
}

// An Include cuts off the part of a message's values that its patterns match,
// before the routes in it look at them.
type Include struct{ Patterns []Pattern }

// messageKeys are the keys of protocol servers' messages that patterns can match.
var messageKeys = map[string][]string{
	asgi.HTTPRequest: {asgi.KeyReplyChannel, asgi.KeyHTTPVersion, asgi.KeyMethod, asgi.KeyScheme, asgi.KeyPath,
		asgi.KeyQueryString, asgi.KeyRootPath, asgi.KeyBody, asgi.KeyBodyChannel},
	asgi.HTTPDisconnect:      {asgi.KeyReplyChannel, asgi.KeyPath},
	asgi.WebSocketConnect:    {asgi.KeyReplyChannel, asgi.KeyScheme, asgi.KeyPath, asgi.KeyQueryString, asgi.KeyRootPath, asgi.KeyHTTPVersion},
	asgi.WebSocketReceive:    {asgi.KeyReplyChannel, asgi.KeyPath, asgi.KeyText, asgi.KeyBytes},
	asgi.WebSocketDisconnect: {asgi.KeyReplyChannel, asgi.KeyPath},
	asgi.UDPReceive:          {asgi.KeyReplyChannel, asgi.KeyData},
}

// IsProtocol reports whether protocol servers send on a channel.
func IsProtocol(channel string) bool { return messageKeys[channel] != nil }

// KnownKeys returns an error if a pattern names a key that messages of the
// protocol server never have.
func KnownKeys(channel string, patterns []Pattern) error {
	known := messageKeys[channel]
	for _, p := range patterns {
		if known != nil && !slices.Contains(known, p.Key) {
			near := spell.Nearest(p.Key, append(slices.Clone(known), "ordered", "concurrency"))
			if near != "" {
				near = fmt.Sprintf("; did you mean %q?", near)
			}
			return explain.Hintf("patterns for "+channel+" can match "+strings.Join(known, ", "),
				"a message on %s has no key %q to match%s", channel, p.Key, near)
		}
	}
	return nil
}
