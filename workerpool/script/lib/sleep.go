package lib

import (
	"context"
	"fmt"
	"math"
	"time"

	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

// maxWait is the maxWait time that a call may wait.
const maxWait = 366 * 24 * time.Hour

// sleep implements sleep(seconds).
func (o Options) sleep(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var v starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "seconds", &v); err != nil {
		return nil, err
	}
	d, err := Seconds(b.Name(), v)
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
		o.after(thread, b.Name())
		return starlark.None, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Seconds converts a number of seconds to a duration of at most maxWait.
func Seconds(call string, v starlark.Value) (time.Duration, error) {
	s, ok := starlark.AsFloat(v)
	if !ok || math.IsNaN(s) || s < 0 {
		return 0, fmt.Errorf("%s: %s is not a valid time; write a number of seconds, like 0.5", call, value.Brief(v))
	}
	if s > maxWait.Seconds() {
		return maxWait, nil
	}
	return time.Duration(s * float64(time.Second)), nil
}
