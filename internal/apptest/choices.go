package apptest

import (
	"hash/fnv"
	"math/rand/v2"
)

// choices are the decisions that make a schedule, numbered in the order in which
// they are made. The usual decision lets a handler go on until it ends or waits
// for time, then the one with the oldest message, and has no faults.
type choices struct {
	random *rand.Rand  // makes decisions; nil for the usual ones
	often  float64     // probability that random decides which handler goes on
	faults bool        // messages may be dropped and channels full
	other  map[int]int // the decisions that are not the usual ones, by number
	count  int         // of decisions
	made   []decision  // the first ones
}

// maxKept is how many decisions and steps of a test are kept.
const maxKept = 100_000

// A decision is one of several choices.
type decision struct{ choices, usual int }

// inOrder returns the usual decisions.
func inOrder() *choices { return &choices{} }

// randomChoices returns decisions that follow the seed. Some seeds seldom switch
// between handlers, because some races need a long run of one handler.
func randomChoices(seed int, test string, faults bool) *choices {
	return &choices{
		random: rand.New(newSource(seed, "schedule of "+test)), often: []float64{1, 0.5, 0.2, 0.05}[seed%4],
		faults: faults, other: map[int]int{},
	}
}

// replayed returns the usual decisions except some.
func replayed(other map[int]int, faults bool) *choices { return &choices{other: other, faults: faults} }

// pick returns the next decision, from 0 to n-1. Often is the probability that it
// is random.
func (c *choices) pick(n, usual int, often float64) int {
	number := c.count
	if c.count++; c.count <= maxKept {
		c.made = append(c.made, decision{n, usual})
	}
	if c.random == nil {
		if choice, ok := c.other[number]; ok && choice < n {
			return choice
		}
		return usual
	}
	if n == 1 || c.random.Float64() >= often {
		return usual
	}
	choice := c.random.IntN(n)
	if choice != usual {
		c.other[number] = choice
	}
	return choice
}

// handler returns which of n waiting handlers goes on.
func (c *choices) handler(n, usual int) int { return c.pick(n, usual, c.often) }

// Faults of a message.
const (
	noFault = iota
	dropped
	channelFull
	allFaults
)

// faultProbability is the probability that a random decision about a fault is
// made.
const faultProbability = 0.2

// fault returns the fault of the next message, which is less than limit.
func (c *choices) fault(limit int) int {
	if !c.faults {
		return noFault
	}
	return c.pick(limit, noFault, faultProbability)
}

// newSource returns a source of random numbers for a purpose.
func newSource(seed int, purpose string) *rand.PCG {
	h := fnv.New64a()
	h.Write([]byte(purpose)) // never fails
	return rand.NewPCG(uint64(seed), h.Sum64())
}
