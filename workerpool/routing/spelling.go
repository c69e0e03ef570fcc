package routing

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"asgibox/asgi"
	"asgibox/internal/spell"
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

// checkSpelling reports a misspelt channel or method of a route, because nothing
// would call its consumer.
func (t *Table) checkSpelling(o *Route) error {
	what, hint := findMisspelling(o)
	if what == "" {
		return nil
	}
	return t.reporter.ReportAt(o.Place, what, hint)
}

// findMisspelling returns the misspelling in a route, or "", and a suggestion.
func findMisspelling(o *Route) (what, hint string) {
	if name := intendedChannel(o.Channel); name != "" {
		return fmt.Sprintf("%s: no protocol server sends on %q", o.Kind, o.Channel),
			fmt.Sprintf("did you mean %q? If this is a channel of your own, choose a name that is less similar", name)
	}
	if o.View == nil {
		return "", ""
	}
	for _, method := range o.View.Methods {
		if near := spell.Nearest(method, knownMethods); near != "" && !slices.Contains(knownMethods, method) {
			return fmt.Sprintf("%s: clients do not send the method %q", o.Kind, method), fmt.Sprintf("did you mean %q?", near)
		}
	}
	return "", ""
}

// knownMethods are the methods of HTTP, and methods of WebDAV with similar names.
var knownMethods = []string{
	"CONNECT", "COPY", "DELETE", "GET", "HEAD", "LINK", "LOCK", "MOVE", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "SEARCH", "TRACE", "UNLINK", "UNLOCK",
}
