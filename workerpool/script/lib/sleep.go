package lib

import (
	"context"
	"fmt"
	"math"
	"time"

	"go.starlark.net/starlark"
)

// longest is as long as a call may wait; a context ends it sooner.
const longest = 366 * 24 * time.Hour

// sleep is sleep(seconds).
func (o Options) sleep(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var v starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "seconds", &v); err != nil {
		return nil, err
	}
	d, err := seconds(b.Name(), v)
	if err != nil {
		return nil, err
	}
	if err := o.before(thread, b.Name()); err != nil {
		return nil, err
	}
	ctx := contextOf(thread)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return starlark.None, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// seconds makes a duration of a number of seconds.
func seconds(call string, v starlark.Value) (time.Duration, error) {
	s, ok := starlark.AsFloat(v)
	if !ok || math.IsNaN(s) || s < 0 {
		return 0, fmt.Errorf("%s: %s is no time to wait; it takes seconds, like 0.5", call, v)
	}
	if s > longest.Seconds() {
		return longest, nil
	}
	return time.Duration(s * float64(time.Second)), nil
}
