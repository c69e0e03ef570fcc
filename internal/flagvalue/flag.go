package flagvalue

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Duration is a flag that holds a duration.
type Duration struct {
	To      *time.Duration
	Forever bool // -1 makes sense
	Zero    bool // 0 makes sense
}

func (d Duration) Type() string { return "duration" }

func (d Duration) String() string {
	if d.To == nil || *d.To == 0 && !d.Zero {
		return "" // nothing set
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

func (d Duration) Set(text string) error {
	v, err := ParseDuration(text)
	switch {
	case err != nil:
		return err
	case v == Forever && !d.Forever:
		return errors.New("it cannot be for ever")
	case v == 0 && !d.Zero:
		return errors.New("it must be longer than nothing")
	}
	*d.To = v
	return nil
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

func (s Size) Set(text string) error {
	v, err := ParseSize(text)
	switch {
	case err != nil:
		return err
	case v == 0:
		return errors.New("it must be more than nothing")
	}
	*s.To = v
	return nil
}

// List is a flag that may be repeated; each value is parsed by Parse.
type List[T any] struct {
	To    *[]T
	Parse func(string) (T, error)
	Kind  string // what stands for a value in the help
	Apart string // what separates values in one text; a comma unless set
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

// Split answers the values that one text holds.
func (l List[T]) Split(text string) []string {
	if l.Apart != "" {
		return strings.Split(text, l.Apart)
	}
	return strings.Split(text, ",")
}

// Number is a flag that holds a whole number of at least Min.
type Number struct {
	To  *int
	Min int
}

func (n Number) Type() string { return "number" }

func (n Number) String() string {
	if n.To == nil {
		return ""
	}
	return strconv.Itoa(*n.To)
}

func (n Number) Set(text string) error {
	v, err := strconv.Atoi(text)
	if err != nil || v < n.Min {
		return fmt.Errorf("%q is not a whole number from %d", text, n.Min)
	}
	*n.To = v
	return nil
}

// Choice is a flag that holds one of some words.
type Choice struct {
	To *string
	Of []string
}

func (c Choice) Type() string { return strings.Join(c.Of, "|") }

func (c Choice) String() string {
	if c.To == nil {
		return ""
	}
	return *c.To
}

func (c Choice) Set(text string) error {
	if !slices.Contains(c.Of, text) {
		return fmt.Errorf("%q is none of %s", text, strings.Join(c.Of, ", "))
	}
	*c.To = text
	return nil
}
