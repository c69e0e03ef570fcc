package flagvalue

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Duration is a flag for a duration.
type Duration struct {
	To      *time.Duration
	Forever bool // -1 is allowed
	Zero    bool // 0 is allowed
}

func (d Duration) Type() string { return "duration" }

func (d Duration) String() string {
	if *d.To == 0 && !d.Zero {
		return "" // not set
	}
	if *d.To == Forever {
		return "-1"
	}
	// 2m0s is written 2m, 24h0m0s is written 24h.
	return strings.NewReplacer("h0m0s", "h", "m0s", "m").Replace(d.To.String())
}

func (d Duration) Set(text string) error {
	v, err := ParseDuration(text)
	switch {
	case err != nil:
		return err
	case v == Forever && !d.Forever:
		return errors.New("must not be -1 (forever)")
	case v == 0 && !d.Zero:
		return errors.New("must not be zero: a duration is " + DurationRange)
	}
	*d.To = v
	return nil
}

// Size is a flag for a number of bytes.
type Size[T int | int64] struct{ To *T }

func (s Size[T]) Type() string { return "size" }

func (s Size[T]) String() string {
	for _, u := range []struct {
		name  string
		bytes T
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if *s.To > 0 && *s.To%u.bytes == 0 {
			return fmt.Sprintf("%d%s", *s.To/u.bytes, u.name)
		}
	}
	return fmt.Sprint(*s.To)
}

func (s Size[T]) Set(text string) error {
	v, err := ParseSize(text)
	switch {
	case err != nil:
		return err
	case v == 0:
		return errors.New("must not be zero: a size is " + SizeRange)
	}
	*s.To = T(v)
	return nil
}

// List is a flag that may be repeated.
type List[T any] struct {
	To        *[]T
	Parse     func(string) (T, error)
	Kind      string // name of a value in the help
	Separator string // separator of values in one text; default: a comma
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

// Split splits a text into the texts of single values.
func (l List[T]) Split(text string) []string {
	if l.Separator != "" {
		return strings.Split(text, l.Separator)
	}
	return strings.Split(text, ",")
}

// Number is a flag for a whole number from Min to Max.
type Number struct {
	To       *int
	Min, Max int
}

func (n Number) Type() string   { return fmt.Sprintf("%d..%d", n.Min, n.Max) }
func (n Number) String() string { return strconv.Itoa(*n.To) }

func (n Number) Set(text string) error {
	v, err := strconv.Atoi(text)
	if err != nil || v < n.Min || v > n.Max {
		return fmt.Errorf("%q is not a whole number from %d to %d", text, n.Min, n.Max)
	}
	*n.To = v
	return nil
}

// Choice is a flag for one of several words.
type Choice struct {
	To      *string
	Choices []string
}

func (c Choice) Type() string   { return strings.Join(c.Choices, "|") }
func (c Choice) String() string { return *c.To }

func (c Choice) Set(text string) error {
	if !slices.Contains(c.Choices, text) {
		return fmt.Errorf("%q is not one of %s", text, strings.Join(c.Choices, ", "))
	}
	*c.To = text
	return nil
}
