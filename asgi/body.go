package asgi

import (
	"context"
	"errors"
	"time"
)

// Errors of a request body that does not arrive completely.
var (
	// ErrBodyClosed: the client has left or broken a limit, or the request was
	// over before the body was read.
	ErrBodyClosed = errors.New("the rest of the request body will not come: the client has left, or the request was over before its body was read")
	// ErrBodyLost: the layer has dropped a piece, for example in a flush.
	ErrBodyLost = errors.New("a part of the request body was lost in the channel layer, for example by flush or chaos")
)

// bodyCheck is the time between two checks whether the client of a body still
// exists.
const bodyCheck = time.Second

// A BodyReader receives the pieces of a request body from its body channel. It
// belongs to one goroutine.
type BodyReader struct {
	layer          Layer
	readers        Readers // nil if the layer does not know whether a client exists
	channel, reply string
	order          int64 // of the last piece
}

// NewBodyReader returns a reader of the body channel of a request.
func NewBodyReader(l Layer, request Message) *BodyReader {
	b := &BodyReader{layer: l, channel: request.Text(KeyBodyChannel), reply: request.Text(KeyReplyChannel)}
	b.readers, _ = As[Readers](l)
	return b
}

// Next waits for the next piece and reports whether more follow. It fails with
// [ErrBodyClosed], perhaps after a last piece, with [ErrBodyLost], or with the error
// of the layer.
func (b *BodyReader) Next(ctx context.Context, c *Cause) (content Bytes, more bool, err error) {
	d, err := b.receive(ctx, c)
	if err != nil {
		return "", false, err
	}
	content = d.Message.Bytes(KeyContent)
	if closed, _ := d.Message.Get(KeyClosed); closed == true {
		return content, false, ErrBodyClosed
	}
	if b.order++; d.Message.Has(KeyOrder) && d.Message.Int(KeyOrder) != b.order {
		return "", false, ErrBodyLost
	}
	next, _ := d.Message.Get(KeyMoreContent)
	return content, next == true, nil
}

// receive receives a message. It fails with ErrBodyClosed if there is none and the
// client does not exist any more.
func (b *BodyReader) receive(ctx context.Context, c *Cause) (Delivery, error) {
	if b.readers == nil {
		return b.layer.Receive(ctx, c, b.channel)
	}
	for {
		limited, cancel := context.WithTimeout(ctx, bodyCheck)
		d, err := b.layer.Receive(limited, c, b.channel)
		waited := limited.Err() != nil && ctx.Err() == nil
		cancel()
		if err == nil || !waited {
			return d, err
		}
		if b.readers.HasReader(b.reply) {
			continue
		}
		d, ok, err := b.layer.Poll(ctx, c, b.channel) // the last piece may have come just now
		if err == nil && !ok {
			err = ErrBodyClosed
		}
		return d, err
	}
}
