package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"asgibox/asgi"
)

// A channelCall is a call on one channel.
type channelCall struct {
	op string // send, poll or putback
	n  int
}

// Results of a poll without a message and of a refused send.
const (
	nothing = -1
	full    = -2
)

// channelModel models a channel with sequential calls: first in, first out, each
// message once, never more than the capacity.
func channelModel(capacity int) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return []int(nil) },
		Step: func(state, input, output any) (bool, any) {
			queue, call, result := state.([]int), input.(channelCall), output.(int)
			switch {
			case call.op == "putback":
				return true, slices.Concat([]int{call.n}, queue)
			case call.op == "send" && result == full:
				return len(queue) >= capacity, queue
			case call.op == "send":
				return len(queue) < capacity, slices.Concat(queue, []int{call.n})
			case result == nothing:
				return len(queue) == 0, queue
			}
			return len(queue) > 0 && queue[0] == result, slices.Clone(queue[min(1, len(queue)):])
		},
		Equal: func(a, b any) bool { return slices.Equal(a.([]int), b.([]int)) },
	}
}

// history makes concurrent calls on a channel and returns them with their
// results.
func history(t testing.TB, s *Store, channel string, clients, calls int) []porcupine.Operation {
	t.Helper()
	start := time.Now()
	begin := make(chan struct{})
	var next atomic.Int64
	all := make([][]porcupine.Operation, clients)
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			<-begin
			for i := range calls {
				call, invoked := channelCall{op: "poll"}, time.Since(start)
				result := 0
				if (client+i)%2 == 0 {
					call = channelCall{"send", int(next.Add(1))}
					invoked = time.Since(start)
					if err := s.Send(t.Context(), nil, channel, number(call.n)); errors.Is(err, asgi.ErrChannelFull) {
						result = full
					} else if err != nil {
						t.Error(err)
					}
				} else {
					d, ok, err := s.Poll(t.Context(), nil, channel)
					if err != nil {
						t.Error(err)
					}
					result = nothing
					if ok {
						result = int(d.Message.Int("n"))
					}
					if ok && i%7 == 0 {
						all[client] = append(all[client], operation(client, call, result, invoked, time.Since(start)))
						call, result, invoked = channelCall{"putback", result}, 0, time.Since(start)
						if err := s.PutBack(d); err != nil {
							t.Error(err)
						}
					}
				}
				all[client] = append(all[client], operation(client, call, result, invoked, time.Since(start)))
			}
		})
	}
	close(begin)
	wg.Wait()
	return slices.Concat(all...)
}

func operation(client int, call channelCall, result int, invoked, returned time.Duration) porcupine.Operation {
	return porcupine.Operation{ClientId: client, Input: call, Output: result, Call: int64(invoked), Return: int64(returned)}
}

func TestConcurrentCallsAreLinearizable(t *testing.T) {
	for name, open := range bothStores(Options{Capacity: 3}) {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			for i := range rounds(20, 500) {
				h := history(t, s, fmt.Sprintf("jobs.%d", i), 4, 25)
				if result := porcupine.CheckOperationsTimeout(channelModel(3), h, time.Minute); result != porcupine.Ok {
					t.Fatalf("history %d is %v: %+v", i, result, h)
				}
			}
		})
	}
}

func TestLinearizabilityCheckerFindsErrors(t *testing.T) {
	at := func(i int) (time.Duration, time.Duration) { return time.Duration(2 * i), time.Duration(2*i + 1) }
	for name, calls := range map[string][]channelCallResult{
		"twice":         {{channelCall{"send", 1}, 0}, {channelCall{op: "poll"}, 1}, {channelCall{op: "poll"}, 1}},
		"out of order":  {{channelCall{"send", 1}, 0}, {channelCall{"send", 2}, 0}, {channelCall{op: "poll"}, 2}},
		"lost":          {{channelCall{"send", 1}, 0}, {channelCall{op: "poll"}, nothing}},
		"over capacity": {{channelCall{"send", 1}, 0}, {channelCall{"send", 2}, 0}, {channelCall{"send", 3}, 0}, {channelCall{"send", 4}, 0}},
		"early full":    {{channelCall{"send", 1}, full}},
	} {
		var h []porcupine.Operation
		for i, a := range calls {
			invoked, returned := at(i)
			h = append(h, operation(0, a.call, a.result, invoked, returned))
		}
		if porcupine.CheckOperations(channelModel(3), h) {
			t.Errorf("%s: the checker accepts it", name)
		}
	}
}

type channelCallResult struct {
	call   channelCall
	result int
}

// bothStores returns functions that open a store in memory and with a journal.
func bothStores(o Options) map[string]func(testing.TB) *Store {
	return map[string]func(testing.TB) *Store{
		"memory":  func(t testing.TB) *Store { return openMemory(t, o) },
		"journal": func(t testing.TB) *Store { return openAt(t, newPath(t), o) },
	}
}

// TestManyReadersGetEachMessageOnceAndInOrder uses parked readers of several
// channels, some of which give up. The linearizability checker is too slow for
// so many calls.
func TestManyReadersGetEachMessageOnceAndInOrder(t *testing.T) {
	const senders, each, readers = 4, 2000, 4
	for name, open := range bothStores(Options{Capacity: senders * each}) {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			channels := []string{"a", "b", "body?c"}
			got := make([][]asgi.Delivery, readers)
			var left atomic.Int64
			left.Store(senders * each)
			var wg sync.WaitGroup
			for r := range readers {
				wg.Go(func() {
					for ctx.Err() == nil {
						wait, cancel := context.WithTimeout(ctx, time.Duration(r)*200*time.Microsecond+time.Microsecond)
						d, err := s.Receive(wait, nil, channels...)
						cancel()
						if err != nil {
							continue
						}
						got[r] = append(got[r], d)
						if left.Add(-1) == 0 {
							stop()
						}
					}
				})
			}
			for sender := range senders {
				wg.Go(func() {
					for i := range each {
						send(t, s, channels[i%len(channels)], sender*each+i)
					}
				})
			}
			wg.Wait()
			seen := make(map[int64]bool)
			for r, ds := range got {
				last := make(map[string]int64)
				for _, d := range ds {
					n := d.Message.Int("n")
					from := fmt.Sprint(d.Channel, n/each)
					if seen[n] || last[from] > n {
						t.Fatalf("reader %d got %d from %s after %d, seen before: %v", r, n, d.Channel, last[from], seen[n])
					}
					seen[n], last[from] = true, n
				}
			}
			if len(seen) != senders*each {
				t.Errorf("received %d of %d messages", len(seen), senders*each)
			}
		})
	}
}
