package script

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"asgibox/asgi"
	"asgibox/internal/logkey"
	"asgibox/internal/spell"
	"asgibox/workerpool/script/explain"

	"go.starlark.net/syntax"
)

// foreignChannels maps names of other frameworks to the corresponding channels.
var foreignChannels = map[string]string{
	"websocket.open":    asgi.WebSocketConnect,
	"websocket.accept":  asgi.WebSocketConnect,
	"websocket.message": asgi.WebSocketReceive,
	"websocket.send":    asgi.WebSocketReceive,
	"websocket.close":   asgi.WebSocketDisconnect,
}

// intendedChannel returns the protocol server's channel that a route's channel is
// most likely a misspelling of, or "".
func intendedChannel(channel string) string {
	if messageKeys[channel] != nil {
		return ""
	}
	if name := foreignChannels[strings.ToLower(channel)]; name != "" {
		return name
	}
	best, least := "", 0
	for _, name := range slices.Sorted(maps.Keys(messageKeys)) {
		if n, ok := typos(channel, name); ok && (best == "" || n < least) {
			best, least = name, n
		}
	}
	return best
}

// typos returns the number of typos that turn name into channel, and reports
// whether they are few. It compares the parts of the names separately, because
// tcp.receive and chat.receive are not misspellings of udp.receive.
func typos(channel, name string) (n int, few bool) {
	protocol, event, _ := strings.Cut(name, ".")
	first, rest, parted := strings.Cut(channel, ".")
	if !parted { // http_request, httpRequest
		n = spell.Distance(channel, protocol+event)
		return n, n <= 1
	}
	inFirst, inRest := spell.Distance(first, protocol), spell.Distance(rest, event)
	return inFirst + inRest, inFirst <= len(protocol)/4 && inRest <= len(event)/3
}

// checkSpelling warns if a route's channel or method is misspelt, because nothing
// would call its consumer. If the loader is strict, it returns an error.
func (u *unit) checkSpelling(o *route) error {
	what, hint := findMisspelling(o)
	if what == "" {
		return nil
	}
	return u.reportAt(o.pos, what, hint)
}

// reportAt logs a warning about a place in a file, or returns an error if the
// loader is strict.
func (u *unit) reportAt(pos syntax.Position, what, hint string) error {
	switch {
	case u.loader.opts.NoCheck:
		return nil
	case u.loader.opts.Strict:
		return &placedError{explain.Hintf(hint, "%s", what), pos}
	}
	u.warnAt(pos, what+" ("+hint+")")
	return nil
}

// findMisspelling returns the misspelling in a route, or "", and a suggestion.
func findMisspelling(o *route) (what, hint string) {
	if name := intendedChannel(o.channel); name != "" {
		return fmt.Sprintf("%s: no protocol server sends on %q", o.kind, o.channel),
			fmt.Sprintf("did you mean %q? If this is a channel of your own, choose a name that is less similar", name)
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

// knownMethods are the methods of HTTP, and methods of WebDAV with similar names.
var knownMethods = []string{
	"CONNECT", "COPY", "DELETE", "GET", "HEAD", "LINK", "LOCK", "MOVE", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "SEARCH", "TRACE", "UNLINK", "UNLOCK",
}

// warnAt logs a warning about a place in a file.
func (u *unit) warnAt(pos syntax.Position, text string) {
	u.loader.log.LogAttrs(context.Background(), slog.LevelWarn, text,
		slog.Uint64(logkey.Generation, u.number), slog.String(logkey.At, fmt.Sprintf("%s:%d", pos.Filename(), pos.Line)))
}

// findLiteral returns the place of a string literal in the application's file.
func (u *unit) findLiteral(text string) (syntax.Position, bool) {
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

// placeAtName places an error at the line of the application's file that sets a
// global, if there is one.
func (u *unit) placeAtName(name string, err error) error {
	file := u.loader.file
	source, _ := u.sources.lookup(file)
	for i, line := range strings.Split(source, "\n") {
		rest, begins := strings.CutPrefix(line, name)
		if rest = strings.TrimLeft(rest, " \t"); begins && strings.HasPrefix(rest, "=") {
			err = &placedError{err, syntax.MakePosition(&file, int32(i+1), 1)}
			break
		}
	}
	return err
}
