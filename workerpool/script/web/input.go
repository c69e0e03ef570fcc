package web

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"go.starlark.net/starlark"
)

// An input is wsgi.input, which reads the body as it arrives.
type input struct {
	object
	body   *bodyReader
	buffer *bufio.Reader
}

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
	var out strings.Builder
	if n < 0 {
		_, err = io.Copy(&out, in.buffer)
	} else if _, err = io.CopyN(&out, in.buffer, int64(n)); err == io.EOF {
		err = nil
	}
	return starlark.Bytes(out.String()), err
}

// readline implements readline(n=-1), which returns a line with its newline.
func (in *input) readline(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	n, err := size("readline", args, kwargs)
	if err != nil {
		return nil, err
	}
	line, err := in.line(n)
	return starlark.Bytes(line), err
}

func (in *input) line(limit int) (string, error) {
	if limit < 0 {
		line, err := in.buffer.ReadString('\n')
		if err == io.EOF {
			err = nil
		}
		return line, err
	}
	var out strings.Builder
	for out.Len() < limit {
		c, err := in.buffer.ReadByte()
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", err
		}
		out.WriteByte(c)
		if c == '\n' {
			break
		}
	}
	return out.String(), nil
}

// readlines implements readlines(hint=-1), which returns all lines, or stops
// after the line that reaches hint bytes.
func (in *input) readlines(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	hint, err := size("readlines", args, kwargs)
	if err != nil {
		return nil, err
	}
	var lines []starlark.Value
	for total := 0; hint <= 0 || total < hint; {
		line, err := in.line(-1)
		if err != nil {
			return nil, err
		}
		if line == "" {
			break
		}
		total += len(line)
		lines = append(lines, starlark.Bytes(line))
	}
	return starlark.NewList(lines), nil
}

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
