package lib

import (
	"fmt"
	"math/bits"

	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// maxBits is the length of the largest product of integers, in bits.
const maxBits = 1 << 20

// smallFactor is the largest number in a file by which a value may be multiplied
// without a check.
const smallFactor = 16

// isSmallFactor reports whether an expression is a float or a small integer.
func isSmallFactor(x syntax.Expr) bool {
	l, ok := x.(*syntax.Literal)
	if !ok {
		return false
	}
	n, isInt := l.Value.(int64)
	return l.Token == syntax.FLOAT || isInt && n <= smallFactor
}

// isNumber reports whether an expression is a number that is not large.
func isNumber(x syntax.Expr) bool {
	l, ok := x.(*syntax.Literal)
	if !ok {
		return false
	}
	_, isInt := l.Value.(int64)
	return l.Token == syntax.FLOAT || isInt
}

// A factor is a side of "*" that can make the product large. It checks the size of
// the product before it makes it.
type factor struct{ starlark.Value }

var _ starlark.HasBinary = factor{}

// factorOf returns a factor for a value of which a product can be large. Small
// numbers are the most common values, and stay as they are.
func factorOf(v starlark.Value) (starlark.Value, error) {
	switch n := v.(type) {
	case starlark.Int:
		if _, small := n.Int64(); !small {
			return factor{v}, nil
		}
	case starlark.String, starlark.Bytes, *starlark.List, starlark.Tuple:
		return factor{v}, nil
	}
	return v, nil
}

// multiplierOf returns a factor for y in x *= y, because x is not checked.
func multiplierOf(v starlark.Value) (starlark.Value, error) { return factor{v}, nil }

func (f factor) Binary(op syntax.Token, other starlark.Value, side starlark.Side) (starlark.Value, error) {
	if op != syntax.STAR {
		return nil, nil
	}
	if o, ok := other.(factor); ok {
		other = o.Value
	}
	x, y := f.Value, other
	if side == starlark.Right {
		x, y = y, x
	}
	if err := checkProduct(x, y); err != nil {
		return nil, err
	}
	return starlark.Binary(op, x, y)
}

func checkProduct(x, y starlark.Value) error {
	n, ok := x.(starlark.Int)
	if !ok {
		if n, ok = y.(starlark.Int); !ok {
			return nil
		}
		y = x
	}
	switch y := y.(type) {
	case starlark.Int:
		if bitLen(n)+bitLen(y) > maxBits {
			return fmt.Errorf("*: the number would have more than %d bits", maxBits)
		}
	case starlark.String:
		return checkRepeat(len(y), n, value.MaxText, fmt.Sprintf("the text would be longer than %d MiB", value.MaxText>>20))
	case starlark.Bytes:
		return checkRepeat(len(y), n, value.MaxText, fmt.Sprintf("the bytes would be longer than %d MiB", value.MaxText>>20))
	case *starlark.List:
		return checkRepeat(y.Len(), n, maxItems, fmt.Sprintf("the list would have more than %d items", maxItems))
	case starlark.Tuple:
		return checkRepeat(len(y), n, maxItems, fmt.Sprintf("the tuple would have more than %d items", maxItems))
	}
	return nil
}

// bitLen returns the length of an integer in bits.
func bitLen(n starlark.Int) int {
	if small, ok := n.Int64(); ok {
		return bits.Len64(uint64(max(small, -small)))
	}
	return n.BigInt().BitLen()
}

// checkRepeat fails if n repetitions of a length are more than the limit.
func checkRepeat(length int, n starlark.Int, limit int, problem string) error {
	if length == 0 || n.Sign() <= 0 {
		return nil
	}
	if times, ok := n.Int64(); !ok || times > int64(limit/length) {
		return fmt.Errorf("*: %s", problem)
	}
	return nil
}
