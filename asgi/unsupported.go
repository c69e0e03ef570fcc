package asgi

import (
	"context"
	"errors"
	"time"
)

// Unsupported has the methods of every extension and answers each call with
// errors.ErrUnsupported. A [Partial] layer puts it in the place of what the
// layer behind it lacks.
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

var lacking = errors.ErrUnsupported

func (Unsupported) GroupAdd(context.Context, *Cause, string, string) error     { return lacking }
func (Unsupported) GroupDiscard(context.Context, *Cause, string, string) error { return lacking }
func (Unsupported) GroupLeave(context.Context, *Cause, string) error           { return lacking }

func (Unsupported) GroupChannels(context.Context, *Cause, string) ([]string, error) {
	return nil, lacking
}

func (Unsupported) SendGroup(context.Context, *Cause, string, Message, ...SendOption) error {
	return lacking
}

func (Unsupported) Flush(context.Context, *Cause) error { return lacking }

func (Unsupported) GlobalStatistics(context.Context) (Stats, error) { return Stats{}, lacking }

func (Unsupported) ChannelStatistics(context.Context, string) (Stats, error) {
	return Stats{}, lacking
}

func (Unsupported) SendLater(context.Context, *Cause, time.Time, string, Message) error {
	return lacking
}

func (Unsupported) Get(context.Context, *Cause, string) (any, bool, error) {
	return nil, false, lacking
}

func (Unsupported) Set(context.Context, *Cause, string, any, time.Duration, ...SendOption) error {
	return lacking
}

func (Unsupported) Delete(context.Context, *Cause, string) error { return lacking }

func (Unsupported) Incr(context.Context, *Cause, string, int64) (int64, error) { return 0, lacking }

func (Unsupported) Append(context.Context, *Cause, string, any, int) (List, error) {
	return List{}, lacking
}

func (Unsupported) Keys(context.Context, *Cause, string) ([]string, error) { return nil, lacking }

func (Unsupported) Swap(context.Context, *Cause, string, any, any) (bool, error) {
	return false, lacking
}

// HasReader answers true: who cannot know must assume it.
func (Unsupported) HasReader(string) bool { return true }

func (Unsupported) PutBack(Delivery) error { return lacking }
