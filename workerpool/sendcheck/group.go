package sendcheck

import (
	"context"
	"slices"

	"asgibox/asgi"
	"asgibox/workerpool"
)

// Group returns the problem of a message to a group whose members are connections, or
// nil. Most messages are valid for WebSockets; only others need the list of members.
func Group(ctx context.Context, j *workerpool.Job, name string, m asgi.Message) *Problem {
	if j == nil {
		return nil
	}
	forSocket := webSocketProblem(m, true)
	if forSocket == nil {
		return nil
	}
	groups := asgi.OrUnsupported[asgi.Groups](j.Layer())
	members, err := groups.GroupChannels(ctx, nil, name)
	if err != nil {
		return nil // the send fails too
	}
	members = slices.DeleteFunc(members, func(member string) bool { return asgi.KindOf(member) != asgi.ProcessSpecific })
	if len(members) == 0 {
		return nil
	}
	if slices.ContainsFunc(members, func(member string) bool { return isWebSocket(j, member) }) || !slices.ContainsFunc(responseKeys, m.Has) {
		return forSocket
	}
	return firstProblem(unknownKey(m, responseKeys...), responseTypes(m))
}

// isWebSocket reports whether a channel is known to belong to a WebSocket.
func isWebSocket(j *workerpool.Job, channel string) bool {
	switch j.Delivery.Channel {
	case asgi.WebSocketConnect, asgi.WebSocketReceive:
		if channel == j.ReplyChannel() {
			return true
		}
	}
	return j.IsWebSocket(channel)
}
