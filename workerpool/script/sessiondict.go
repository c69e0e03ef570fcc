package script

import (
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// sessionDict is the dict of an http_session. It has the method cycle besides
// those of a dict.
type sessionDict struct {
	*starlark.Dict
	session *browserSession
}

var (
	_ starlark.IterableMapping = (*sessionDict)(nil)
	_ starlark.HasSetKey       = (*sessionDict)(nil)
	_ starlark.HasAttrs        = (*sessionDict)(nil)
	_ starlark.HasBinary       = (*sessionDict)(nil)
	_ starlark.Comparable      = (*sessionDict)(nil)
	_ value.Native             = (*sessionDict)(nil)
)

func (d *sessionDict) Type() string         { return "session" }
func (d *sessionDict) Native() (any, error) { return d.Dict, nil }

var sessionMethods = methods[*sessionDict]{"cycle": sessionCycle}

func (d *sessionDict) Attr(name string) (starlark.Value, error) {
	if f := sessionMethods.bind(d, name); f != nil {
		return f, nil
	}
	return d.Dict.Attr(name)
}

func (d *sessionDict) AttrNames() []string { return sessionMethods.names(d.Dict.AttrNames()...) }

// Binary implements the union of a session and a dict, which is a new dict.
func (d *sessionDict) Binary(op syntax.Token, y starlark.Value, side starlark.Side) (starlark.Value, error) {
	other, ok := value.DictOf(y)
	switch {
	case op != syntax.PIPE || !ok:
		return nil, nil
	case side == starlark.Left:
		return d.Union(other), nil
	}
	return other.Union(d.Dict), nil
}

func (d *sessionDict) CompareSameType(op syntax.Token, y starlark.Value, depth int) (bool, error) {
	return d.Dict.CompareSameType(op, y.(*sessionDict).Dict, depth)
}

// sessionCycle implements session.cycle().
func sessionCycle(_ *run, d *sessionDict, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := starlark.UnpackArgs(b.Name(), args, kwargs); err != nil {
		return nil, err
	}
	return starlark.None, d.session.cycle()
}
