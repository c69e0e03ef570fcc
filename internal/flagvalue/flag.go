package flagvalue

import (
	"strconv"
	"strings"
	"time"
)

// Duration is a flag that holds a duration.
type Duration struct{ To *time.Duration }

func (d Duration) Type() string { return "duration" }

func (d Duration) String() string {
	if d.To == nil {
		return ""
	}
	if *d.To == Forever {
		return "-1"
	}
	// 2m0s is written 2m, 24h0m0s is written 24h.
	text := d.To.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func (d Duration) Set(text string) (err error) {
	*d.To, err = ParseDuration(text)
	return err
}

// Size is a flag that holds a number of bytes.
type Size struct{ To *int }

func (s Size) Type() string { return "size" }

func (s Size) String() string {
	if s.To == nil {
		return ""
	}
	for _, u := range []struct {
		name  string
		bytes int
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if *s.To > 0 && *s.To%u.bytes == 0 {
			return strconv.Itoa(*s.To/u.bytes) + u.name
		}
	}
	return strconv.Itoa(*s.To)
}

func (s Size) Set(text string) (err error) {
	*s.To, err = ParseSize(text)
	return err
}

// List is a flag that may be repeated; each value is parsed by Parse.
type List[T any] struct {
	To    *[]T
	Parse func(string) (T, error)
	Kind  string // what stands for a value in the help
}

func (l List[T]) Type() string   { return l.Kind }
func (l List[T]) String() string { return "" }

func (l List[T]) Set(text string) error {
	v, err := l.Parse(text)
	if err == nil {
		*l.To = append(*l.To, v)
	}
	return err
}

// Repeatable tells a list from the flags that hold one value.
func (l List[T]) Repeatable() bool { return true }
