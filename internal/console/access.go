package console

import (
	"cmp"
	"log/slog"
	"strconv"
	"time"

	"asgibox/internal/logkey"
)

// access is a request or an event of a WebSocket, as the protocol server logs
// it.
type access struct {
	event        string
	method, path string
	status       int64
	took         time.Duration
}

// unknown is shown for a method or path that the server could not read.
const unknown = "-"

// socketEvents has a word and a color for each event of WebSockets.
var socketEvents = map[string][2]string{
	"WSCONNECTING": {"connecting", dim},
	"WSCONNECT":    {"connected", green},
	"WSREJECT":     {"refused", yellow},
	"WSDISCONNECT": {"closed", blue},
}

// parseAccess reads a record and reports whether it is an access. A malformed
// request may have no method and no path.
func parseAccess(message string, attrs []slog.Attr) (access, bool) {
	if _, ok := socketEvents[message]; message != "HTTP" && !ok {
		return access{}, false
	}
	a := access{event: message}
	for _, attr := range attrs {
		switch attr.Key {
		case "method":
			a.method = cmp.Or(attr.Value.String(), unknown)
		case logkey.Path:
			a.path = cmp.Or(attr.Value.String(), unknown)
		case "status":
			a.status, _ = attr.Value.Any().(int64)
		case "duration":
			a.took, _ = attr.Value.Any().(time.Duration)
		}
	}
	return a, a.method != "" && a.path != ""
}

func (a access) write(l *line) {
	if a.event == "HTTP" {
		l.WriteString(Printable(a.method) + " " + Printable(a.path) + " ")
		if a.status == 0 {
			l.colored(yellow, "client left")
		} else {
			l.colored(statusColor(a.status), strconv.FormatInt(a.status, 10))
		}
	} else {
		event := socketEvents[a.event]
		l.WriteString("WebSocket " + Printable(a.path) + " ")
		l.colored(event[1], event[0])
		if a.status != 0 {
			l.WriteString(" " + strconv.FormatInt(a.status, 10))
		}
	}
	l.colored(dim, " "+FormatDuration(a.took))
}

func statusColor(status int64) string {
	switch {
	case status >= 500:
		return red
	case status >= 400:
		return yellow
	case status >= 300:
		return blue
	}
	return green
}

// FormatDuration returns a short text for a duration, of at most three digits
// below ten seconds.
func FormatDuration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return strconv.FormatInt(d.Microseconds(), 10) + " µs"
	case d < 10*time.Millisecond:
		return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', 1, 64) + " ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	}
	return d.Round(time.Second).String()
}
