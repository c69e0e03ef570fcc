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
	Acceptors
	Ticker
} = Unsupported{}

// An unsupportedError says which extension the layer does not have. It matches
// errors.ErrUnsupported.
type unsupportedError string

func (e unsupportedError) Error() string        { return "this channel layer " + string(e) }
func (e unsupportedError) Is(target error) bool { return target == errors.ErrUnsupported }

const (
	noGroups     unsupportedError = "has no groups"
	noFlush      unsupportedError = "cannot be flushed"
	noStatistics unsupportedError = "has no statistics"
	noLater      unsupportedError = "cannot send later"
	noState      unsupportedError = "keeps no state"
	noPutBack    unsupportedError = "cannot put messages back"
	noOffers     unsupportedError = "cannot offer messages"
	noTicks      unsupportedError = "has no shared clock"
)

func (Unsupported) GroupAdd(context.Context, *Cause, string, string) error     { return noGroups }
func (Unsupported) GroupDiscard(context.Context, *Cause, string, string) error { return noGroups }
func (Unsupported) GroupLeave(context.Context, *Cause, string) error           { return noGroups }

func (Unsupported) GroupChannels(context.Context, *Cause, string) ([]string, error) {
	return nil, noGroups
}

func (Unsupported) SendGroup(context.Context, *Cause, string, Message, ...SendOption) error {
	return noGroups
}

func (Unsupported) Flush(context.Context, *Cause) error { return noFlush }

func (Unsupported) GlobalStatistics(context.Context) (Stats, error) { return Stats{}, noStatistics }

func (Unsupported) ChannelStatistics(context.Context, string) (Stats, error) {
	return Stats{}, noStatistics
}

func (Unsupported) SendLater(context.Context, *Cause, time.Time, string, Message) error {
	return noLater
}

func (Unsupported) Get(context.Context, *Cause, string) (any, bool, error) {
	return nil, false, noState
}

func (Unsupported) Set(context.Context, *Cause, string, any, time.Duration, ...SendOption) error {
	return noState
}

func (Unsupported) Delete(context.Context, *Cause, string) error { return noState }

func (Unsupported) Incr(context.Context, *Cause, string, int64) (int64, error) { return 0, noState }

func (Unsupported) Append(context.Context, *Cause, string, any, int) (List, error) {
	return List{}, noState
}

func (Unsupported) Keys(context.Context, *Cause, string) ([]string, error) { return nil, noState }

func (Unsupported) Swap(context.Context, *Cause, string, any, any) (bool, error) {
	return false, noState
}

// HasReader returns true, because a layer that cannot know must assume a reader.
func (Unsupported) HasReader(string) bool { return true }

func (Unsupported) PutBack(Delivery) error { return noPutBack }

func (Unsupported) Accept(Acceptor) (Offering, error) { return nil, noOffers }

func (Unsupported) SendWhenRoom(context.Context, *Cause, time.Duration, string, Message, ...SendOption) error {
	return noOffers
}

func (Unsupported) ReceiveOrRun(context.Context, *Cause, func(Delivery) []string, ...string) (d Delivery, ok bool, err error) {
	return d, false, noOffers
}

func (Unsupported) Tick(context.Context, string, time.Duration) (first bool, next time.Duration, err error) {
	return false, 0, noTicks
}
