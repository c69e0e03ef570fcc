package routing

import (
	"fmt"
	"regexp/syntax"
	"strings"

	"asgibox/asgi"
)

// checkMeeting reports routes for the messages of open WebSockets whose paths
// no route for handshakes matches: they never get a message.
func (t *Table) checkMeeting() error {
	connects := t.Entries[asgi.WebSocketConnect]
	if len(connects) == 0 {
		return nil // another program may accept connections, or all are accepted
	}
	for _, channel := range []string{asgi.WebSocketReceive, asgi.WebSocketDisconnect} {
		for i := range t.Entries[channel] {
			e := &t.Entries[channel][i]
			paths := pathsOf(e)
			meets := false
			for j := range connects {
				meets = meets || mayMeet(paths, pathsOf(&connects[j]))
			}
			if meets {
				continue
			}
			hint := "the routes for " + asgi.WebSocketConnect + " are " + strings.Join(t.tried(asgi.WebSocketConnect), ", ")
			if err := t.reporter.ReportAt(e.Route.Place, fmt.Sprintf("%s gets no messages: no connection with such a path is accepted", e.Describe()), hint); err != nil {
				return err
			}
		}
	}
	return nil
}

// pathsOf returns a program that matches the paths of an entry, from their start,
// or nil if the entry matches every path.
func pathsOf(e *Entry) *syntax.Prog {
	var patterns []Pattern
	for _, in := range e.Includes {
		patterns = append(patterns, in.Patterns...)
	}
	source := ""
	for _, p := range append(patterns, e.Route.Patterns...) {
		if p.Key == asgi.KeyPath {
			source += "(?:" + p.Source + ")"
		}
	}
	if source == "" {
		return nil
	}
	re, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return nil
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return nil
	}
	return prog
}

// maxStates limits the search of [mayMeet].
const maxStates = 10_000

// mayMeet reports whether there may be a text whose start both programs match. It
// treats all conditions about the text as true, except that nothing follows its
// end.
func mayMeet(a, b *syntax.Prog) bool {
	if a == nil || b == nil {
		return true
	}
	type pair struct{ a, b progState }
	var queue []pair
	seen := make(map[pair]bool)
	add := func(as, bs []progState) (met bool) {
		for _, sa := range as {
			for _, sb := range bs {
				p := pair{sa, sb}
				if sa.matched && sb.matched {
					return true
				}
				if !seen[p] {
					seen[p] = true
					queue = append(queue, p)
				}
			}
		}
		return false
	}
	if add(expand(a, uint32(a.Start)), expand(b, uint32(b.Start))) {
		return true
	}
	for len(queue) > 0 {
		if len(seen) > maxStates {
			return true
		}
		p := queue[0]
		queue = queue[1:]
		if p.a.ended || p.b.ended || !shareRune(p.a.runes(a), p.b.runes(b)) {
			continue
		}
		if add(p.a.next(a), p.b.next(b)) {
			return true
		}
	}
	return false
}

// A progState is a place in a program that reads the next character, or has
// matched. If it has ended, no character may follow.
type progState struct {
	pc             uint32
	matched, ended bool
}

// expand returns the states that a program may reach without reading.
func expand(prog *syntax.Prog, pc uint32) []progState {
	var states []progState
	seen := make(map[progState]bool)
	var visit func(pc uint32, ended bool)
	visit = func(pc uint32, ended bool) {
		s := progState{pc: pc, ended: ended}
		if seen[s] {
			return
		}
		seen[s] = true
		switch i := &prog.Inst[pc]; i.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			visit(i.Out, ended)
			visit(i.Arg, ended)
		case syntax.InstCapture, syntax.InstNop:
			visit(i.Out, ended)
		case syntax.InstEmptyWidth:
			visit(i.Out, ended || syntax.EmptyOp(i.Arg)&syntax.EmptyEndText != 0)
		case syntax.InstMatch:
			states = append(states, progState{matched: true, ended: ended})
		case syntax.InstFail:
		default:
			states = append(states, s)
		}
	}
	visit(pc, false)
	return states
}

// next returns the states after a character.
func (s progState) next(prog *syntax.Prog) []progState {
	if s.matched {
		return []progState{s}
	}
	return expand(prog, prog.Inst[s.pc].Out)
}

// runes returns the characters that a state accepts, as ranges.
func (s progState) runes(prog *syntax.Prog) []rune {
	const last = 0x10ffff
	if s.matched {
		return []rune{0, last}
	}
	i := &prog.Inst[s.pc]
	switch {
	case i.Op == syntax.InstRuneAny || i.Op == syntax.InstRuneAnyNotNL || syntax.Flags(i.Arg)&syntax.FoldCase != 0:
		return []rune{0, last}
	case len(i.Rune) == 1:
		return []rune{i.Rune[0], i.Rune[0]}
	}
	return i.Rune
}

// shareRune reports whether two lists of ranges have a character in common.
func shareRune(a, b []rune) bool {
	for i := 0; i+1 < len(a); i += 2 {
		for j := 0; j+1 < len(b); j += 2 {
			if a[i] <= b[j+1] && b[j] <= a[i+1] {
				return true
			}
		}
	}
	return false
}
