package web

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"

	"asgibox/workerpool/script/memory"

	"go.starlark.net/starlark"
)

// An input is wsgi.input, which reads the body as it arrives.
type input struct {
	object
	body   *bodyReader
	buffer *bufio.Reader
	share  *memory.Share
	held   int64 // reserved for what the last call returned
}

// collector returns a collector for the result of a call.
func (in *input) collector() *collector { return &collector{share: in.share, held: &in.held} }

func (in *input) AttrNames() []string { return []string{"read", "readline", "readlines"} }

func (in *input) Attr(name string) (starlark.Value, error) {
	if in.buffer == nil {
		in.buffer = bufio.NewReader(in.body)
	}
	switch name {
	case "read":
		return method(name, in.read), nil
	case "readline":
		return method(name, in.readline), nil
	case "readlines":
		return method(name, in.readlines), nil
	}
	return nil, nil
}

// read implements read(n=-1).
func (in *input) read(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	n, err := size("read", args, kwargs)
	if err != nil {
		return nil, err
	}
	out := in.collector()
	if n < 0 {
		_, err = io.Copy(out, in.buffer)
	} else if _, err = io.CopyN(out, in.buffer, int64(n)); err == io.EOF {
		err = nil
	}
	return starlark.Bytes(out.done()), err
}

// readline implements readline(n=-1), which returns a line with its newline.
func (in *input) readline(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	n, err := size("readline", args, kwargs)
	if err != nil {
		return nil, err
	}
	out := in.collector()
	err = in.line(out, n)
	return starlark.Bytes(out.done()), err
}

// line adds a line, or its first bytes up to the limit if that is not negative.
func (in *input) line(out *collector, limit int) error {
	for limit != 0 {
		_, err := in.buffer.Peek(1)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		piece, _ := in.buffer.Peek(in.buffer.Buffered())
		if limit >= 0 && limit < len(piece) {
			piece = piece[:limit]
		}
		end := bytes.IndexByte(piece, '\n')
		if end >= 0 {
			piece = piece[:end+1]
		}
		if _, err := out.Write(piece); err != nil {
			return err
		}
		in.buffer.Discard(len(piece)) // cannot fail: it is buffered
		if end >= 0 {
			return nil
		}
		if limit > 0 {
			limit -= len(piece)
		}
	}
	return nil
}

// readlines implements readlines(hint=-1), which returns all lines, or stops
// after the line that reaches hint bytes.
func (in *input) readlines(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	hint, err := size("readlines", args, kwargs)
	if err != nil {
		return nil, err
	}
	var lines []starlark.Value
	for total, used := 0, int64(0); hint <= 0 || total < hint; {
		out := &collector{share: in.share, held: new(int64)}
		if err := in.line(out, -1); err != nil {
			return nil, err
		}
		line := out.done()
		if line == "" {
			break
		}
		in.share.Set(out.held, 0) // cannot fail: it is less
		used += int64(len(line)) + lineBytes
		if err := in.share.Set(&in.held, used); err != nil {
			return nil, refuse("cannot hold the lines", err)
		}
		total += len(line)
		lines = append(lines, starlark.Bytes(line))
	}
	return starlark.NewList(lines), nil
}

// lineBytes is about how much memory a line takes besides its text.
const lineBytes = 150

// size unpacks the optional argument of the methods above.
func size(name string, args starlark.Tuple, kwargs []starlark.Tuple) (int, error) {
	var v starlark.Value = starlark.None
	if err := starlark.UnpackPositionalArgs(name, args, kwargs, 0, &v); err != nil {
		return 0, err
	}
	if v == starlark.None {
		return -1, nil
	}
	n, err := starlark.AsInt32(v)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return n, nil
}

// An errorLog is wsgi.errors.
type errorLog struct {
	object
	log func(string)
}

func (e errorLog) AttrNames() []string { return []string{"flush", "write", "writelines"} }

func (e errorLog) Attr(name string) (starlark.Value, error) {
	switch name {
	case "write", "writelines", "flush":
		return method(name, func(_ *starlark.Thread, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
			for _, v := range args {
				if s, ok := starlark.AsString(v); ok && e.log != nil {
					e.log(strings.TrimSuffix(s, "\n"))
				}
			}
			return starlark.None, nil
		}), nil
	}
	return nil, nil
}
