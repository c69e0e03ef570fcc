package console

import (
	"log/slog"
	"strconv"
	"time"
)

// access is a request or what happened to a WebSocket, as the protocol server
// logs it.
type access struct {
	event        string
	method, path string
	status       int64
	took         time.Duration
}

// sockets are the events of WebSockets in words, with their colours.
var sockets = map[string][2]string{
	"WSCONNECTING": {"connecting", dim},
	"WSCONNECT":    {"connected", green},
	"WSREJECT":     {"refused", yellow},
	"WSDISCONNECT": {"closed", blue},
}

// asAccess tells whether a record is of that kind.
func asAccess(message string, attrs []slog.Attr) (access, bool) {
	if _, socket := sockets[message]; message != "HTTP" && !socket {
		return access{}, false
	}
	a := access{event: message}
	for _, attr := range attrs {
		switch attr.Key {
		case "method":
			a.method = attr.Value.String()
		case "path":
			a.path = attr.Value.String()
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
			l.in(yellow, "client left")
		} else {
			l.in(statusColor(a.status), strconv.FormatInt(a.status, 10))
		}
	} else {
		event := sockets[a.event]
		l.WriteString("WebSocket " + Printable(a.path) + " ")
		l.in(event[1], event[0])
		if a.status != 0 {
			l.WriteString(" " + strconv.FormatInt(a.status, 10))
		}
	}
	l.in(dim, " "+Took(a.took))
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

// Took writes a duration for people: three digits at most, where they matter.
func Took(d time.Duration) string {
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
