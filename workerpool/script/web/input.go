package web

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"go.starlark.net/starlark"
)

// An input is wsgi.input: the body as it comes.
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

// read is read(n=-1).
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

// readline is readline(n=-1): up to and with the next newline.
func (in *input) readline(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	n, err := size("readline", args, kwargs)
	if err != nil {
		return nil, err
	}
	line, err := in.line(n)
	return starlark.Bytes(line), err
}

func (in *input) line(most int) (string, error) {
	if most < 0 {
		line, err := in.buffer.ReadString('\n')
		if err == io.EOF {
			err = nil
		}
		return line, err
	}
	var out strings.Builder
	for out.Len() < most {
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

// readlines is readlines(hint=-1): all lines, or as many as hold hint bytes.
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

// size is the one argument of the calls above.
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
