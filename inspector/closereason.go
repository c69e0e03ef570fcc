package inspector

import (
	"strconv"

	"asgibox/asgi"
)

// Values of [Visit.By].
const (
	byClient      = "client"
	byApplication = "application"
	byHand        = "hand"
	byServer      = "server"
)

// closers say who closed a WebSocket.
var closers = map[string]string{
	byClient:      "closed by the client",
	byApplication: "closed by the application",
	byHand:        "closed by hand, from the inspector or the command line",
	byServer:      "closed by the server",
	"":            "closed",
}

// codeMeanings explain close codes of any sender.
var codeMeanings = map[int]string{
	asgi.CloseNormal:        "normally",
	asgi.CloseGoingAway:     "because it went away",
	asgi.CloseProtocolError: "because of a WebSocket protocol error",
	1003:                    "because it cannot accept this kind of data",
	asgi.CloseNoCode:        "without a code",
	asgi.CloseInvalidText:   "because a text was not valid UTF-8",
	1008:                    "because of a policy violation",
	asgi.CloseTooLarge:      "because a message was too long",
	1010:                    "because an extension was not offered",
	asgi.CloseFailed:        "because of an unexpected error",
	1012:                    "because it restarts",
	asgi.CloseBusy:          "because it is too busy; try again later",
	1014:                    "because a server behind it sent a bad response",
}

// serverMeanings explain close codes of the protocol server.
var serverMeanings = map[int]string{
	asgi.CloseNormal:        "closed by the server: it reached its maximum lifetime",
	asgi.CloseGoingAway:     "closed by the server, which shut down",
	asgi.CloseProtocolError: "closed by the server: the client violated the WebSocket protocol",
	asgi.CloseInvalidText:   "closed by the server: the client sent text that is not valid UTF-8",
	asgi.CloseTooLarge:      "closed by the server: the client sent a message longer than --max-message",
	asgi.CloseFailed:        "closed by the server: the handler failed or a reply was invalid; see the log",
	asgi.CloseBusy:          "closed by the server: a queue was full, or the client read too slowly",
}

// closeReason explains who closed a WebSocket, if that is known, and why.
func closeReason(code int, by string) string {
	if code == asgi.CloseLost {
		return "lost without a close frame: network failure, crash, no pong, or failed handshake"
	}
	if meaning := serverMeanings[code]; meaning != "" && by == byServer {
		return meaning
	}
	closer := closers[by]
	if by == byClient && code == asgi.CloseGoingAway {
		return closer + ", which went away: its page was left or its program ended"
	}
	switch meaning := codeMeanings[code]; {
	case by == byHand:
		return closer
	case meaning != "":
		return closer + ", " + meaning
	case code >= 4000 && code <= 4999:
		return closer + ", with the private code " + strconv.Itoa(code)
	case code >= 3000 && code <= 3999:
		return closer + ", with the registered code " + strconv.Itoa(code) + " of a library or framework"
	}
	return closer + ", with the code " + strconv.Itoa(code)
}
