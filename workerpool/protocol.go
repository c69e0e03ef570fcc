package workerpool

import "asgibox/asgi"

// The channels that protocol servers send to.
const (
	httpRequest         = "http.request"
	httpDisconnect      = "http.disconnect"
	websocketConnect    = "websocket.connect"
	websocketReceive    = "websocket.receive"
	websocketDisconnect = "websocket.disconnect"
	udpReceive          = "udp.receive"
)

// protocolChannels are those that a routed pool receives from whether or not
// they have a route. http.disconnect is not among them: a request is over
// when it is answered, and hearing of that again has its price.
var protocolChannels = []string{httpRequest, websocketConnect, websocketReceive, websocketDisconnect, udpReceive}

func isProtocol(channel string) bool {
	switch channel {
	case httpRequest, httpDisconnect, websocketConnect, websocketReceive, websocketDisconnect, udpReceive:
		return true
	}
	return false
}

// replyChannel answers where the sender of a message can be answered, or "".
func replyChannel(m asgi.Message) string { return m.Octets("reply_channel") }
