package asgi

import (
	"context"
	"errors"
	"time"
)

// Unsupported implements every extension with methods that fail with
// errors.ErrUnsupported. A [Partial] layer uses it for the extensions that the
// layer behind it does not have.
type Unsupported struct{}

var _ interface {
	Groups
	Flusher
	Statistics
	Later
	KV
	Readers
	PutBack
} = Unsupported{}

var unsupported = errors.ErrUnsupported

func (Unsupported) GroupAdd(context.Context, *Cause, string, string) error     { return unsupported }
func (Unsupported) GroupDiscard(context.Context, *Cause, string, string) error { return unsupported }
func (Unsupported) GroupLeave(context.Context, *Cause, string) error           { return unsupported }

func (Unsupported) GroupChannels(context.Context, *Cause, string) ([]string, error) {
	return nil, unsupported
}

func (Unsupported) SendGroup(context.Context, *Cause, string, Message, ...SendOption) error {
	return unsupported
}

func (Unsupported) Flush(context.Context, *Cause) error { return unsupported }

func (Unsupported) GlobalStatistics(context.Context) (Stats, error) { return Stats{}, unsupported }

func (Unsupported) ChannelStatistics(context.Context, string) (Stats, error) {
	return Stats{}, unsupported
}

func (Unsupported) SendLater(context.Context, *Cause, time.Time, string, Message) error {
	return unsupported
}

func (Unsupported) Get(context.Context, *Cause, string) (any, bool, error) {
	return nil, false, unsupported
}

func (Unsupported) Set(context.Context, *Cause, string, any, time.Duration, ...SendOption) error {
	return unsupported
}

func (Unsupported) Delete(context.Context, *Cause, string) error { return unsupported }

func (Unsupported) Incr(context.Context, *Cause, string, int64) (int64, error) { return 0, unsupported }

func (Unsupported) Append(context.Context, *Cause, string, any, int) (List, error) {
	return List{}, unsupported
}

func (Unsupported) Keys(context.Context, *Cause, string) ([]string, error) { return nil, unsupported }

func (Unsupported) Swap(context.Context, *Cause, string, any, any) (bool, error) {
	return false, unsupported
}

// HasReader returns true, because a layer that cannot know must assume a reader.
func (Unsupported) HasReader(string) bool { return true }

func (Unsupported) PutBack(Delivery) error { return unsupported }
