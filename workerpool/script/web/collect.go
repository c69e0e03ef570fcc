package web

import (
	"errors"
	"fmt"
	"strings"

	"asgibox/workerpool/script/memory"
)

// A collector makes one text of pieces, in memory that the handler reserves.
type collector struct {
	share *memory.Share
	held  *int64           // the reservation for the text
	text  *strings.Builder // nil before the first piece
}

// grow makes room for n more bytes.
func (c *collector) grow(n int) error {
	if c.text == nil {
		c.text = new(strings.Builder)
	}
	before := c.text.Cap()
	if n <= before-c.text.Len() {
		return nil
	}
	size := max(c.text.Len()+n, 2*before)
	if err := c.share.Set(c.held, int64(before+size)); err != nil { // a copy needs both
		return refuse("cannot hold the body", err)
	}
	next := new(strings.Builder)
	next.Grow(size)
	next.WriteString(c.text.String())
	c.text = next
	return nil
}

// Write implements io.Writer.
func (c *collector) Write(p []byte) (int, error) {
	if err := c.grow(len(p)); err != nil {
		return 0, err
	}
	return c.text.Write(p)
}

// done returns the text and keeps memory only for it.
func (c *collector) done() string {
	if c.text == nil {
		return ""
	}
	c.share.Set(c.held, int64(c.text.Cap())) // cannot fail: it is not more
	return c.text.String()
}

// reserve reserves memory until the handler ends.
func (r *Request) reserve(what string, n int) error {
	var held int64
	if err := r.hooks.Memory.Set(&held, int64(n)); err != nil {
		return refuse(what, err)
	}
	return nil
}

// refuse makes a [RequestError] of an error if it is a [memory.Error].
func refuse(what string, err error) error {
	var full *memory.Error
	if !errors.As(err, &full) {
		return err
	}
	return &RequestError{full.Status(), fmt.Errorf("%s: %w", what, full)}
}
