package asgi

// WebSocket close codes (RFC 6455, section 7.4) that the program uses.
const (
	CloseNormal        = 1000
	CloseGoingAway     = 1001 // the server shuts down
	CloseProtocolError = 1002
	CloseNoCode        = 1005 // the close frame had no code; never sent
	CloseLost          = 1006 // the socket ended without a close frame; never sent
	CloseInvalidText   = 1007 // text that is not UTF-8
	CloseTooLarge      = 1009 // a message over the limit
	CloseFailed        = 1011 // the handler failed, or its reply was invalid
	CloseBusy          = 1013 // a queue is full
)

// CanSendCloseCode reports whether an application may close a WebSocket with
// the code.
func CanSendCloseCode(code int64) bool {
	return 1000 <= code && code <= 1003 || 1007 <= code && code <= 1014 || 3000 <= code && code <= 4999
}
