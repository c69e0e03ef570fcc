package inspector

import "strconv"

// Who ended a WebSocket, as [Visit.By] has it.
const (
	byClient      = "client"
	byApplication = "application"
	byHand        = "hand"
	byServer      = "server"
)

// closers begin the words on why a WebSocket ended.
var closers = map[string]string{
	byClient:      "closed by the client",
	byApplication: "closed by the application",
	byHand:        "closed by hand, from the inspector or the command line",
	byServer:      "closed by the server",
	"":            "closed",
}

// codeMeanings say what a code means, whoever sent it.
var codeMeanings = map[int]string{
	1000: "normally",
	1001: "since it went away",
	1002: "since the WebSocket protocol was broken",
	1003: "since a kind of data came that it cannot take",
	1005: "without a code",
	1007: "since text came that is not valid UTF-8",
	1008: "since a rule was broken",
	1009: "since a message was too long",
	1010: "since an extension was not offered",
	1011: "since something unexpected went wrong",
	1012: "since it restarts",
	1013: "since it is too busy; try again later",
	1014: "since a server behind it answered badly",
}

// ownMeanings say why the protocol server itself ends a WebSocket.
var ownMeanings = map[int]string{
	1000: "closed by the server: its life-time was over",
	1001: "closed by the server, which shut down",
	1002: "closed by the server: the client broke the WebSocket protocol",
	1007: "closed by the server: the client sent text that is not valid UTF-8",
	1009: "closed by the server: the client sent a message longer than --max-message",
	1011: "closed by the server: the handler failed, or a reply was invalid; the log says how",
	1013: "closed by the server: a queue was full, or the client read too slowly",
}

// closeMeaning says in words who closed a WebSocket, if that is known, and why.
func closeMeaning(code int, by string) string {
	if code == 1006 {
		return "lost without a goodbye: the network, a crash, no pong, or a handshake that failed"
	}
	if meaning := ownMeanings[code]; meaning != "" && by == byServer {
		return meaning
	}
	who := closers[by]
	if by == byClient && code == 1001 {
		return who + ", which went away: its page was left or its program ended"
	}
	switch meaning := codeMeanings[code]; {
	case by == byHand:
		return who
	case meaning != "":
		return who + ", " + meaning
	case code >= 4000 && code <= 4999:
		return who + ", with the private code " + strconv.Itoa(code)
	case code >= 3000 && code <= 3999:
		return who + ", with " + strconv.Itoa(code) + ", a code that a library or framework registered"
	}
	return who + ", with the code " + strconv.Itoa(code)
}
