package script

import (
	"slices"

	"asgibox/asgi"
)

// groupProblem checks a message to a group whose members are connections. Most
// messages are valid for WebSockets; only others need the list of members.
func (r *run) groupProblem(name string, m asgi.Message) *problem {
	if r.job == nil || r.unit.loader.opts.NoCheck {
		return nil
	}
	forSocket := webSocketProblem(m, true)
	if forSocket == nil {
		return nil
	}
	groups := asgi.OrUnsupported[asgi.Groups](r.job.Layer())
	members, err := groups.GroupChannels(r.ctx, nil, name)
	if err != nil {
		return nil // the send fails too
	}
	members = slices.DeleteFunc(members, func(member string) bool { return asgi.KindOf(member) != asgi.ProcessSpecific })
	if len(members) == 0 {
		return nil
	}
	if slices.ContainsFunc(members, r.isWebSocket) || !slices.ContainsFunc(responseKeys, m.Has) {
		return forSocket
	}
	return firstProblem(unknownKey(m, responseKeys...), responseTypes(m))
}

// isWebSocket reports whether a channel is known to belong to a WebSocket.
func (r *run) isWebSocket(channel string) bool {
	switch r.job.Delivery.Channel {
	case asgi.WebSocketConnect, asgi.WebSocketReceive:
		if channel == r.job.ReplyChannel() {
			return true
		}
	}
	return r.job.IsWebSocket(channel)
}
