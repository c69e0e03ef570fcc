package redisstore

import (
	"context"
	"time"

	"asgibox/asgi"
)

// PutBack returns a message to the head of its list. See [asgi.PutBack]. Another
// reader may have taken a later message meanwhile.
func (l *Layer) PutBack(d asgi.Delivery) error {
	if err := asgi.CheckSend(d.Channel); err != nil {
		return err
	}
	left := time.Until(d.Deadline)
	if left <= 0 {
		return nil
	}
	body, err := l.encode(d.Channel, d.Message)
	if err != nil {
		return err
	}
	_, err = l.sendHost(d.Channel).eval(context.Background(), kindPutBack, putBackScript,
		[]string{l.bodyKey(d.Channel), l.listKey(d.Channel)}, body, max(1, left.Milliseconds()))
	return full(d.Channel, err)
}
