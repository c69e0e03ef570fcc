package script

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"asgibox/internal/spell"

	"go.starlark.net/syntax"
)

// otherWords are names of other interfaces that people bring along, for the
// channels that carry what they mean.
var otherWords = map[string]string{
	"websocket.open":    "websocket.connect",
	"websocket.accept":  "websocket.connect",
	"websocket.message": "websocket.receive",
	"websocket.send":    "websocket.receive",
	"websocket.close":   "websocket.disconnect",
}

// meant answers the channel of a protocol server whose name a route's comes
// so near that it is most likely misspelt; otherwise "".
func meant(channel string) string {
	if messageKeys[channel] != nil {
		return ""
	}
	if name := otherWords[strings.ToLower(channel)]; name != "" {
		return name
	}
	best, least := "", 0
	for _, name := range slices.Sorted(maps.Keys(messageKeys)) {
		if n, ok := mistakes(channel, name); ok && (best == "" || n < least) {
			best, least = name, n
		}
	}
	return best
}

// mistakes counts those that make one name of the other, and tells whether
// they are few enough to be mistakes. Names are compared part by part:
// tcp.receive is no udp.receive, nor is chat.receive, though as wholes they
// are a few letters away.
func mistakes(channel, name string) (n int, few bool) {
	protocol, event, _ := strings.Cut(name, ".")
	first, rest, parted := strings.Cut(channel, ".")
	if !parted { // http_request, httpRequest
		n = spell.Distance(channel, protocol+event)
		return n, n <= 1
	}
	inFirst, inRest := spell.Distance(first, protocol), spell.Distance(rest, event)
	return inFirst + inRest, inFirst <= len(protocol)/4 && inRest <= len(event)/3
}

// spelling complains of a route whose channel or method is misspelt: its
// consumer would never be called, and nothing else would say so.
func (u *unit) spelling(o *route) error {
	what, hint := misspelt(o)
	if what == "" || u.loader.opts.NoCheck {
		return nil
	}
	if u.loader.opts.Strict {
		return &placedError{pos: o.pos, msg: what, hint: hint}
	}
	u.warnAt(o.pos, what+" ("+hint+")")
	return nil
}

// misspelt tells what is in a route, if anything, and what was meant.
func misspelt(o *route) (what, hint string) {
	if name := meant(o.channel); name != "" {
		return fmt.Sprintf("%s: no protocol server sends on %q", o.kind, o.channel),
			fmt.Sprintf("did you mean %q? If the channel is one of your own, give it a name less like that", name)
	}
	if o.view == nil {
		return "", ""
	}
	for _, method := range o.view.methods {
		if near := spell.Nearest(method, knownMethods); near != "" && !slices.Contains(knownMethods, method) {
			return fmt.Sprintf("%s: clients do not send the method %q", o.kind, method), fmt.Sprintf("did you mean %q?", near)
		}
	}
	return "", ""
}

// knownMethods are those of HTTP, and of WebDAV where a name is near another.
var knownMethods = []string{
	"CONNECT", "COPY", "DELETE", "GET", "HEAD", "LINK", "LOCK", "MOVE", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "SEARCH", "TRACE", "UNLINK", "UNLOCK",
}

// warnAt warns of a place in a file that no call stack leads to.
func (u *unit) warnAt(pos syntax.Position, text string) {
	u.loader.log.LogAttrs(context.Background(), slog.LevelWarn, text,
		slog.Uint64("generation", u.number), slog.String("at", fmt.Sprintf("%s:%d", pos.Filename(), pos.Line)))
}

// literal answers where the application's file writes a text, for what a dict
// names.
func (u *unit) literal(text string) (syntax.Position, bool) {
	file := u.loader.file
	source, _ := u.sources.lookup(file)
	for i, line := range strings.Split(source, "\n") {
		for _, quoted := range []string{`"` + text + `"`, "'" + text + "'"} {
			if at := strings.Index(line, quoted); at >= 0 {
				return syntax.MakePosition(&file, int32(i+1), int32(utf8.RuneCountInString(line[:at])+1)), true
			}
		}
	}
	return syntax.Position{}, false
}

// atName places an error at the line of the application's file that sets a
// global, if one does.
func (u *unit) atName(name string, err error) error {
	file := u.loader.file
	source, _ := u.sources.lookup(file)
	for i, line := range strings.Split(source, "\n") {
		rest, begins := strings.CutPrefix(line, name)
		if rest = strings.TrimLeft(rest, " \t"); begins && strings.HasPrefix(rest, "=") {
			return &atConsumer{err, syntax.MakePosition(&file, int32(i+1), 1)}
		}
	}
	return err
}
