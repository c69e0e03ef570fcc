package value_test

import (
	"slices"
	"testing"

	"asgibox/asgi"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

func TestGetAndDictShowTheSameValues(t *testing.T) {
	m := asgi.MustMessage(asgi.Field{Key: "text", Value: "hi"}, asgi.Field{Key: "list", Value: []any{1}})
	c := value.NewContent(m)

	l, _ := c.Get("list")
	l.(*starlark.List).Append(starlark.MakeInt(2))
	c.Dict().SetKey(starlark.String("text"), starlark.String("changed"))
	c.Dict().SetKey(starlark.String("new"), starlark.True)

	if got := c.Dict().String(); got != `{"text": "changed", "list": [1, 2], "new": True}` {
		t.Errorf("the dict is %s", got)
	}
	if v, ok := c.Get("text"); !ok || v != starlark.String("changed") {
		t.Errorf("text is %v", v)
	}
	if got := c.Keys(); !slices.Equal(got, []string{"text", "list", "new"}) {
		t.Errorf("keys are %q", got)
	}
	if !asgi.Equal(c.Origin(), m) {
		t.Error("the message itself changed")
	}
}

func TestContentsAreIndependent(t *testing.T) {
	m := asgi.MustMessage(asgi.Field{Key: "list", Value: []any{1}})
	first, second := value.NewContent(m), value.NewContent(m)
	first.Dict().Clear()
	if v, ok := second.Get("list"); !ok || v.String() != "[1]" {
		t.Errorf("another handler sees %v", v)
	}
}

func TestAMissingKey(t *testing.T) {
	c := value.NewContent(asgi.MustMessage(asgi.Field{Key: "a", Value: nil}))
	if _, ok := c.Get("b"); ok {
		t.Error("b is there")
	}
	if v, ok := c.Get("a"); !ok || v != starlark.None {
		t.Errorf("a is %v, %v", v, ok)
	}
	if got := c.Keys(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("keys are %q", got)
	}
}
