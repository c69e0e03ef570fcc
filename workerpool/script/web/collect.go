package web

import (
	"errors"
	"fmt"
	"strings"

	"asgibox/workerpool/script/memory"
)

// A collector makes one text of pieces, in memory that the handler reserves.
type collector struct {
	share  *memory.Share
	held   *int64           // the reservation for the text
	length int              // which the client has announced, or 0
	text   *strings.Builder // nil before the first piece
}

// grow makes room for n more bytes. An announced length costs the client nothing,
// so the room is at most four times as long as what has arrived.
func (c *collector) grow(n int) error {
	if c.text == nil {
		c.text = new(strings.Builder)
	}
	before := c.text.Cap()
	if n <= before-c.text.Len() {
		return nil
	}
	needed := c.text.Len() + n
	size := max(needed, 2*before)
	if needed <= c.length {
		for size = c.length; size/4 >= needed; {
			size /= 4
		}
	}
	if err := c.share.Set(c.held, int64(before+size)); err != nil { // a copy needs both
		return refuse("cannot hold the body", err)
	}
	next := new(strings.Builder)
	next.Grow(size)
	next.WriteString(c.text.String())
	c.text = next
	return c.share.Set(c.held, int64(size)) // cannot fail: it is not more
}

// Write implements io.Writer.
func (c *collector) Write(p []byte) (int, error) {
	if err := c.grow(len(p)); err != nil {
		return 0, err
	}
	return c.text.Write(p)
}

// done returns the text.
func (c *collector) done() string {
	if c.text == nil {
		return ""
	}
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
