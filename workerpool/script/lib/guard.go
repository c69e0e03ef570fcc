package lib

import (
	"errors"
	"fmt"

	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Some operators of Starlark follow a value to any depth, or make a value of any
// size: "%", "*", format, and everything that looks up a key. A deeply nested value
// would overflow the Go stack, which ends the process. Guard makes a file pass
// the operands of these operators through guards, which check them first:
//
//	text % x        (guardFormat | text) % x
//	text.format(x)  (guardMethods | text).format(x)
//	d[key]          d[guardKey | key]
//	key in d        (guardSought | key) in d
//	{key: x}        {guardKey | key: x}
//	m == d          (guardCompared | m) == (guardDict | d)
//	x * y           (guardFactor | x) * (guardFactor | y)
//	x *= y          x *= (guardMultiplier | y)
//	", ".join(x)    ", ".join(guardJoined | x)
//	x + y           x + (guardAdded | y)
//	x += y          x += (guardAdded | y)
//	f(*args)        f(*(guardItems | args))
//	x | y, x ^ y    (guardTable | x) | (guardTable | y)
//	x & y, x - y    (guardTable | x) & y
//
// guardDict makes values that behave like a dict equal to a dict. A literal key
// or operand needs no guard.

// Names of the guards. A script cannot write them.
const (
	guardFormat     = "%format"
	guardOperand    = "%operand"
	guardMethods    = "%methods"
	guardKey        = "%key"
	guardDict       = "%dict"
	guardSought     = "%sought"
	guardCompared   = "%compared"
	guardFactor     = "%factor"
	guardMultiplier = "%multiplier"
	guardJoined     = "%joined"
	guardAdded      = "%added"
	guardItems      = "%items"
	guardTable      = "%table"
)

// Guards returns the guards, which must be predeclared in a guarded file.
func Guards() starlark.StringDict {
	return starlark.StringDict{
		guardFormat:     guard(formatOf),
		guardOperand:    guard(checkOperand),
		guardMethods:    guard(methodsOf),
		guardKey:        guard(checkKey),
		guardDict:       guard(dictOf),
		guardSought:     guard(checkSought),
		guardCompared:   guard(checkCompared),
		guardFactor:     guard(factorOf),
		guardMultiplier: guard(multiplierOf),
		guardJoined:     guard(checkJoined),
		guardAdded:      guard(checkAdded),
		guardItems:      guard(checkItemsOf),
		guardTable:      guard(checkTable),
	}
}

// Guard changes a parsed file so that its operators check their operands.
func Guard(f *syntax.File) {
	safe := make(map[syntax.Expr]bool) // methods that need no guard
	syntax.Walk(f, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CallExpr:
			safe[n.Fn] = guardCall(n)
		case *syntax.BinaryExpr:
			guardBinary(n)
		case *syntax.AssignStmt:
			guardAssignment(n)
		case *syntax.IndexExpr:
			n.Y = guarded(guardKey, n.Y, n.Lbrack)
		case *syntax.DictEntry:
			n.Key = guarded(guardKey, n.Key, n.Colon)
		case *syntax.DotExpr:
			if hasChecks(n.Name.Name) && !safe[n] {
				n.X = guarded(guardMethods, n.X, n.Dot)
			}
		}
		return true
	})
}

// guardCall guards the arguments of a call. It reports whether a method that is
// called needs no guard of its own.
func guardCall(n *syntax.CallExpr) bool {
	for _, arg := range n.Args {
		if u, ok := arg.(*syntax.UnaryExpr); ok && u.Op == syntax.STAR {
			u.X = guarded(guardItems, u.X, u.OpPos)
		}
	}
	method, ok := n.Fn.(*syntax.DotExpr)
	if !ok || len(n.Args) == 0 {
		return false
	}
	switch name := method.Name.Name; name {
	case "join":
		if !isShort(method.X) || isStarred(n.Args[0]) {
			return false
		}
		n.Args[0] = guarded(guardJoined, n.Args[0], n.Lparen)
		return true
	case "replace":
		return len(n.Args) > 1 && isShort(n.Args[0]) && isShort(n.Args[1])
	default:
		return literal(n.Args[0]) && onlyKey(name)
	}
}

// isStarred reports whether an argument is *args or **kwargs.
func isStarred(x syntax.Expr) bool {
	u, ok := x.(*syntax.UnaryExpr)
	return ok && (u.Op == syntax.STAR || u.Op == syntax.STARSTAR)
}

func guardBinary(n *syntax.BinaryExpr) {
	if isGuard(n.X) {
		return
	}
	switch n.Op {
	case syntax.PIPE, syntax.CIRCUMFLEX:
		if !literal(n.X) && !literal(n.Y) {
			n.X, n.Y = guarded(guardTable, n.X, n.OpPos), guarded(guardTable, n.Y, n.OpPos)
		}
	case syntax.AMP, syntax.MINUS:
		if !literal(n.X) && !literal(n.Y) {
			n.X = guarded(guardTable, n.X, n.OpPos)
		}
	case syntax.PERCENT:
		if !literal(n.Y) {
			n.X = guarded(guardFormat, n.X, n.OpPos)
		}
	case syntax.IN, syntax.NOT_IN:
		n.X = guarded(guardSought, n.X, n.OpPos)
	case syntax.EQL, syntax.NEQ:
		if !scalar(n.X) && !scalar(n.Y) {
			n.X, n.Y = guarded(guardCompared, n.X, n.OpPos), guarded(guardDict, n.Y, n.OpPos)
		}
	case syntax.PLUS:
		if !scalar(n.X) && !scalar(n.Y) {
			n.Y = guarded(guardAdded, n.Y, n.OpPos)
		}
	case syntax.STAR:
		if !isSmallFactor(n.X) && !isSmallFactor(n.Y) {
			n.X, n.Y = guarded(guardFactor, n.X, n.OpPos), guarded(guardFactor, n.Y, n.OpPos)
		}
	}
}

// guardAssignment guards x *= y, x += y and x %= y. If x in the last one is not a
// name, evaluating it twice could have effects, so only y is checked.
func guardAssignment(n *syntax.AssignStmt) {
	switch n.Op {
	case syntax.STAR_EQ:
		if !isSmallFactor(n.RHS) {
			n.RHS = guarded(guardMultiplier, n.RHS, n.OpPos)
		}
		return
	case syntax.PLUS_EQ:
		switch n.RHS.(type) {
		case *syntax.BinaryExpr, *syntax.ListExpr: // not a range
		default:
			n.RHS = guarded(guardAdded, n.RHS, n.OpPos)
		}
		return
	case syntax.PERCENT_EQ:
	default:
		return
	}
	name, ok := n.LHS.(*syntax.Ident)
	if !ok {
		n.RHS = guarded(guardOperand, n.RHS, n.OpPos)
		return
	}
	old := &syntax.Ident{NamePos: name.NamePos, Name: name.Name}
	n.Op, n.RHS = syntax.EQ, &syntax.BinaryExpr{X: old, OpPos: n.OpPos, Op: syntax.PERCENT, Y: n.RHS}
}

// isGuard reports whether an expression is the name of a guard.
func isGuard(x syntax.Expr) bool {
	name, ok := x.(*syntax.Ident)
	return ok && name.Name[0] == '%'
}

// guarded returns guard | x, or x if it is a literal.
func guarded(name string, x syntax.Expr, pos syntax.Position) syntax.Expr {
	switch name {
	case guardFormat, guardMethods, guardMultiplier:
	case guardFactor:
		if isNumber(x) {
			return x
		}
	default:
		if literal(x) {
			return x
		}
	}
	return &syntax.BinaryExpr{X: &syntax.Ident{NamePos: pos, Name: name}, OpPos: pos, Op: syntax.PIPE, Y: x}
}

func literal(x syntax.Expr) bool {
	_, ok := x.(*syntax.Literal)
	return ok
}

// scalar reports whether an expression is a literal, None, True or False.
func scalar(x syntax.Expr) bool {
	if name, ok := x.(*syntax.Ident); ok {
		return name.Name == "None" || name.Name == "True" || name.Name == "False"
	}
	return literal(x)
}

// A guard returns the value that an operator uses instead of its operand.
type guard func(starlark.Value) (starlark.Value, error)

var _ starlark.HasBinary = guard(nil)

func (g guard) String() string        { return "guard" }
func (g guard) Type() string          { return "guard" }
func (g guard) Freeze()               {}
func (g guard) Truth() starlark.Bool  { return true }
func (g guard) Hash() (uint32, error) { return 0, errors.New("unhashable: guard") }

func (g guard) Binary(_ syntax.Token, x starlark.Value, _ starlark.Side) (starlark.Value, error) {
	return g(x)
}

// maxKey is the length of the longest text of a tuple that is a key, in bytes.
const maxKey = 1 << 20

// Key returns a key that is neither too large nor nests too deeply, or an error.
func Key(key starlark.Value) (starlark.Value, error) { return checkKey(key) }

// checkKey fails if a key is a tuple that nests too deeply or is too large. A
// dict is no key, but may be an item of a list.
func checkKey(key starlark.Value) (starlark.Value, error) {
	t, ok := key.(starlark.Tuple)
	if !ok {
		return dictOf(key)
	}
	left := value.Budget(maxKey)
	if left.Measure(t) != nil {
		return nil, fmt.Errorf("the tuple is too large for a key, or nests deeper than %d", value.MaxNesting)
	}
	return t, nil
}

// checkItemKeys checks the items of collections that become keys of one set or
// dict, in one call.
func checkItemKeys(collections ...starlark.Value) error {
	return checkNewKeys(collections, func(item starlark.Value) starlark.Value { return item })
}

// checkPairs checks a dict, or the first items of pairs, which become keys.
func checkPairs(args starlark.Tuple) error {
	if len(args) == 1 {
		if _, ok := args[0].(starlark.IterableMapping); ok {
			return checkItemKeys(args[0])
		}
	}
	return checkNewKeys(args, func(item starlark.Value) starlark.Value {
		switch pair := item.(type) {
		case starlark.Indexable:
			if pair.Len() == 2 {
				return pair.Index(0)
			}
		case starlark.Sequence: // a dict or a set
			for first := range starlark.Elements(pair) {
				return first
			}
		}
		return nil
	})
}

// checkNewKeys checks the keys of the items of collections. KeyOf returns the key of
// an item, or nil.
func checkNewKeys(collections []starlark.Value, keyOf func(starlark.Value) starlark.Value) error {
	n := 0
	for _, c := range collections {
		m := items(c)
		if m > maxItems {
			return tooManyItems(c, m)
		}
		n += m
	}
	keys := func(yield func(starlark.Value) bool) {
		for _, c := range collections {
			list, ok := c.(starlark.Iterable)
			if !ok {
				return // the call fails
			}
			for item := range starlark.Elements(list) {
				if key := keyOf(item); key != nil && !yield(key) {
					return
				}
			}
		}
	}
	for key := range keys {
		if _, err := checkKey(key); err != nil {
			return err
		}
	}
	if value.Collide(n, keys) {
		return errCollide
	}
	return nil
}

// checkTable checks a dict or set that is copied, or whose items are added to
// another.
func checkTable(v starlark.Value) (starlark.Value, error) {
	switch v := v.(type) {
	case *starlark.Dict:
		if value.Collide(v.Len(), starlark.Elements(v)) {
			return nil, errCollide
		}
	case *starlark.Set:
		if value.Collide(v.Len(), v.Elements()) {
			return nil, errCollide
		}
	}
	return v, nil
}

var errCollide = errors.New("too many of the keys have equal hashes, like integers whose lowest 32 bits are equal")

// checkAdded checks the right side of "+", so that a loop cannot double a large
// value many times before its memory is checked.
func checkAdded(v starlark.Value) (starlark.Value, error) {
	switch v := v.(type) {
	case starlark.String:
		return v, checkAddedText(len(v))
	case starlark.Bytes:
		return v, checkAddedText(len(v))
	case *starlark.List, starlark.Tuple:
		if n := items(v); n > maxItems {
			return nil, tooManyItems(v, n)
		}
	}
	return checkItemsOf(v)
}

func checkAddedText(n int) error {
	if n > value.MaxText {
		return fmt.Errorf("the text on the right of + has %d bytes; it may have %d MiB", n, value.MaxText>>20)
	}
	return nil
}

// dictOf returns the dict of a value that behaves like one, such as a message,
// and other values unchanged.
func dictOf(v starlark.Value) (starlark.Value, error) {
	switch v := v.(type) {
	case starlark.String, starlark.Int, starlark.NoneType, starlark.Bool, *starlark.List, *starlark.Dict:
	case value.Native:
		if d, ok := value.DictOf(v); ok {
			return d, nil
		}
	}
	return v, nil
}

// checkOperand checks the right operand of a[i] %= x.
func checkOperand(x starlark.Value) (starlark.Value, error) {
	if _, ok := x.(starlark.Mapping); ok {
		return nil, explain.Hintf("write a[i] = a[i] % x", "a[i] %% x cannot be written as a[i] %%= x if x is %s", value.An(x))
	}
	left := value.Budget(value.MaxText)
	return x, left.Measure(x)
}
