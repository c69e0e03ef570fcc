package script

import (
	"errors"
	"hash/fnv"
	"time"

	"asgibox/asgi"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// named is a value with a name. In a message it is encoded as its name.
type named struct{ name string }

func (n named) String() string        { return n.name }
func (n named) Freeze()               {}
func (n named) Truth() starlark.Bool  { return true }
func (n named) Hash() (uint32, error) { return hash(n.name), nil }
func (n named) Native() (any, error)  { return n.name, nil }

func hash(s string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(s))
	return h.Sum32()
}

// channel is the script's Channel.
type channel struct{ named }

var (
	_ starlark.HasAttrs   = (*channel)(nil)
	_ starlark.Comparable = (*channel)(nil)
	_ value.Native        = (*channel)(nil)
)

func (c *channel) Type() string { return "Channel" }

func (c *channel) CompareSameType(op syntax.Token, y starlark.Value, _ int) (bool, error) {
	same := c.name == y.(*channel).name
	switch op {
	case syntax.EQL:
		return same, nil
	case syntax.NEQ:
		return !same, nil
	}
	return false, errors.New("channels have no order; compare their names, like a.name < b.name")
}

var channelMethods = methods[*channel]{
	"send":       channelSend,
	"send_later": channelSendLater,
}

func (c *channel) Attr(name string) (starlark.Value, error) {
	if name == "name" {
		return starlark.String(c.name), nil
	}
	return channelMethods.bind(c, name), nil
}

func (c *channel) AttrNames() []string { return channelMethods.names("name") }

// newChannel implements Channel(name).
func newChannel(_ *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var v starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "name", &v); err != nil {
		return nil, err
	}
	name, err := channelName(b.Name(), v)
	if err != nil {
		return nil, err
	}
	return &channel{named{name}}, asgi.CheckSend(name)
}

func channelSend(r *run, c *channel, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) == 1 && len(kwargs) == 0 {
		return starlark.None, r.send("send", c.name, args[0], unset)
	}
	var content, wait starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "content", &content, "wait?", &wait); err != nil {
		return nil, err
	}
	d, err := sendWait(wait)
	if err != nil {
		return nil, err
	}
	return starlark.None, r.send("send", c.name, content, d)
}

func channelSendLater(r *run, c *channel, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var after, content starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "seconds", &after, "content", &content); err != nil {
		return nil, err
	}
	d, err := duration("seconds", after)
	if err != nil {
		return nil, err
	}
	if err := r.prepareSend("send_later"); err != nil {
		return nil, err
	}
	m, err := r.message(content)
	if err != nil {
		return nil, err
	}
	if _, err := r.checkSend(c.name, m); err != nil {
		return nil, err
	}
	return starlark.None, r.out.SendLater(r.ctx, time.Now().Add(d), c.name, m)
}

// group is the script's Group.
type group struct{ named }

var _ starlark.HasAttrs = (*group)(nil)

func (g *group) Type() string { return "Group" }

var groupMethods = methods[*group]{
	"add":      groupAdd,
	"discard":  groupDiscard,
	"send":     groupSend,
	"channels": groupMembers,
}

func (g *group) Attr(name string) (starlark.Value, error) {
	if name == "name" {
		return starlark.String(g.name), nil
	}
	return groupMethods.bind(g, name), nil
}

func (g *group) AttrNames() []string { return groupMethods.names("name") }

// newGroup implements Group(name).
func newGroup(_ *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var v starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "name", &v); err != nil {
		return nil, err
	}
	name, err := groupName(b.Name(), v)
	if err != nil {
		return nil, err
	}
	return &group{named{name}}, asgi.CheckGroup(name)
}

// memberArg returns the channel that is the argument of add and discard.
func memberArg(r *run, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (string, error) {
	var v starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "channel", &v); err != nil {
		return "", err
	}
	if err := r.enter("Group." + b.Name()); err != nil {
		return "", err
	}
	return channelName(b.Name(), v)
}

func groupAdd(r *run, g *group, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	name, err := memberArg(r, b, args, kwargs)
	if err != nil {
		return nil, err
	}
	return starlark.None, r.out.GroupAdd(r.ctx, g.name, name)
}

func groupDiscard(r *run, g *group, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	name, err := memberArg(r, b, args, kwargs)
	if err != nil {
		return nil, err
	}
	return starlark.None, r.out.GroupDiscard(r.ctx, g.name, name)
}

func groupSend(r *run, g *group, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var content starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "content", &content); err != nil {
		return nil, err
	}
	return starlark.None, r.sendGroup("Group.send", g.name, content)
}

func groupMembers(r *run, g *group, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := starlark.UnpackArgs(b.Name(), args, kwargs); err != nil {
		return nil, err
	}
	return r.groupChannels("Group.channels", g.name)
}
