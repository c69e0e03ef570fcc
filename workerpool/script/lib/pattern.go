package lib

import (
	"context"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/memory"

	"go.starlark.net/starlark"
)

const (
	// maxPatterns is how many compiled patterns the cache holds. Most programs have few
	// patterns.
	maxPatterns = 256
	// maxCached is the size of the largest pattern, and of all in the cache together,
	// in instructions.
	maxCached = 1 << 18
	// maxPattern is the length of the longest pattern, in bytes. A class of characters
	// counts more, and so does a range of many characters that ignores case, because
	// compiling them takes memory and time.
	maxPattern  = 1 << 16
	classWeight = 50
	rangeWeight = 2 << 10
	// instructionRanges is how many ends of ranges take as much memory as an
	// instruction. There are up to four copies of a pattern.
	instructionRanges = 4
	// maxSteps limits the time of one search, which cannot be cancelled. A search
	// takes at most a step for each instruction of the pattern and byte of the
	// text, and longer steps if there are many groups.
	maxSteps = 1 << 29
)

// patterns caches compiled patterns by their text.
type patterns struct {
	compiling sync.Mutex // held while a pattern is compiled; lock it before mu

	mu   sync.Mutex // guards the rest
	all  map[string]*pattern
	size int // of all
}

type pattern struct {
	*regexp.Regexp
	instructions int
	size         int // in instructions, with the ranges of classes
	// first returns an expression for the beginning of a text.
	first func() (*regexp.Regexp, error)
	// after, if not nil, returns an expression that matches from the last character
	// before the text to search, with the pattern as its first group. It is for
	// patterns like \bx, for which that character matters.
	after func() (*regexp.Regexp, error)
}

// compile compiles a pattern to search a text with. It reserves the memory of the search.
func (p *patterns) compile(thread *starlark.Thread, source, text string) (*pattern, error) {
	c, err := p.get(source)
	if err != nil {
		return nil, err
	}
	groups := c.NumSubexp() + 1
	if c.instructions*(128+groups)/128 > maxSteps/max(len(text), 1) {
		return nil, explain.Hintf("split the text into parts first, or write a pattern with fewer repetitions",
			"the search of a text of %d bytes for a pattern of %d instructions would take too long", len(text), c.instructions)
	}
	// A search may follow each instruction at the same time, with places of all groups.
	return c, memory.Of(thread).Decode(int64(c.instructions) * int64(groups) * 16)
}

func (p *patterns) get(source string) (*pattern, error) {
	if c := p.cached(source); c != nil {
		return c, nil
	}
	if n := weight(source); n > maxPattern {
		return nil, fmt.Errorf("the pattern has %d bytes, with %d for each class like [a-z] and %d for each wide range that ignores case; it may have at most %d",
			n, classWeight, rangeWeight, maxPattern)
	}
	p.compiling.Lock()
	defer p.compiling.Unlock()
	if c := p.cached(source); c != nil {
		return c, nil
	}
	c, err := newPattern(source)
	if err != nil {
		return nil, badPattern(source, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.size += c.size; len(p.all) >= maxPatterns || p.size > maxCached {
		clear(p.all)
		p.size = c.size
	}
	p.all[source] = c
	return c, nil
}

// cached returns a pattern that has been compiled, or nil.
func (p *patterns) cached(source string) *pattern {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all[source]
}

var (
	ignoresCase = regexp.MustCompile(`\(\?[a-zA-Z]*i`)
	wideRange   = regexp.MustCompile(`-(?:\\|[^\x00-\x7f])`) // it may be narrow
)

// weight returns the length of a pattern, see maxPattern.
func weight(source string) int {
	classes := strings.Count(source, "[") + strings.Count(source, `\p`) + strings.Count(source, `\P`)
	n := len(source) + classWeight*classes
	if len(source) <= maxPattern && ignoresCase.MatchString(source) {
		n += rangeWeight * len(wideRange.FindAllStringIndex(source, -1))
	}
	return n
}

func newPattern(source string) (*pattern, error) {
	tree, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return nil, err
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, err
	}
	ranges := 0
	for _, i := range prog.Inst {
		ranges += len(i.Rune)
	}
	size := len(prog.Inst) + ranges/instructionRanges
	if size > maxCached {
		return nil, fmt.Errorf("the pattern is too large: with its repetitions and classes, it has %d instructions; it may have at most %d", size, maxCached)
	}
	re, err := regexp.Compile(source)
	if err != nil {
		return nil, err
	}
	within := func(before string) func() (*regexp.Regexp, error) {
		return sync.OnceValues(func() (*regexp.Regexp, error) {
			re, err := regexp.Compile(before + tree.String() + ")") // in which \Q ends
			if err != nil {                                         // it nests too deeply now
				err = badPattern(source, err)
			}
			return re, err
		})
	}
	c := &pattern{Regexp: re, instructions: len(prog.Inst), size: size, first: within(`\A(?:`)}
	if slices.ContainsFunc(prog.Inst, looksBack) {
		c.after = within(`\A(?s:.)(?s:.*?)(`)
	}
	return c, nil
}

// looksBack reports whether an instruction depends on the character before.
func looksBack(i syntax.Inst) bool {
	const back = syntax.EmptyBeginLine | syntax.EmptyBeginText | syntax.EmptyWordBoundary | syntax.EmptyNoWordBoundary
	return i.Op == syntax.InstEmptyWidth && syntax.EmptyOp(i.Arg)&back != 0
}

// badPattern describes a wrong pattern, with a hint about syntax of Python that
// RE2 does not have.
func badPattern(pattern string, err error) error {
	why, ok := err.(*syntax.Error)
	if !ok {
		return err
	}
	hint := ""
	switch {
	case strings.HasPrefix(why.Expr, "(?=") || strings.HasPrefix(why.Expr, "(?!") || strings.HasPrefix(why.Expr, "(?<"):
		hint = "RE2 has no lookahead and no lookbehind; match more text, and check the groups of the match"
	case why.Code == syntax.ErrInvalidEscape:
		hint = `RE2 has no references to groups like \1; to write a backslash, use r"…"`
	}
	return explain.Hintf(hint, "the pattern %q is wrong: %s: %s", pattern, why.Code, why.Expr)
}

// matches calls found with each match in a text, at most limit times. Between two
// searches, it stops with the cause of the context if that is done, because all searches
// together may take a time that is the square of that of one.
func (p *pattern) matches(ctx context.Context, text string, limit int, found func(m *match) error) error {
	end := -1 // of the last match
	for pos := 0; limit > 0 && pos <= len(text); {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		at, err := p.next(text, pos)
		if at == nil {
			return err
		}
		again := at[1] == pos && at[0] == end // an empty match right after a match is none
		if end = at[1]; end > pos {
			pos = end
		} else {
			_, size := utf8.DecodeRuneInString(text[pos:])
			pos += max(size, 1)
		}
		if again {
			continue
		}
		if err := found(&match{p.Regexp, text, at}); err != nil {
			return err
		}
		limit--
	}
	return nil
}

// next returns the places of the first match at pos or later, or nil.
func (p *pattern) next(text string, pos int) ([]int, error) {
	if pos == 0 || p.after == nil {
		return moved(p.FindStringSubmatchIndex(text[pos:]), pos), nil
	}
	after, err := p.after()
	if err != nil {
		return nil, err
	}
	_, size := utf8.DecodeLastRuneInString(text[:pos])
	at := after.FindStringSubmatchIndex(text[pos-size:])
	if at == nil {
		return nil, nil
	}
	return moved(at[2:], pos-size), nil
}

// moved adds an offset to the places of the groups that have matched.
func moved(at []int, by int) []int {
	for i := range at {
		if at[i] >= 0 {
			at[i] += by
		}
	}
	return at
}
