package process

import (
	"fmt"

	"asgibox/asgi"
	"asgibox/asgi/codec"
)

// identityKeys are the fields of a route that say what it is. They stay the same when
// its file changes elsewhere.
var identityKeys = []string{"kind", "channel", "name", "patterns", "includes", "path", "methods", "prefix", "directory"}

// identities returns the numbers of the routes of an application by texts that identify
// them.
func (r ready) identities() map[string]int {
	numbers := map[string]int{}
	note := func(identity string, number int) {
		if _, known := numbers[identity]; !known { // the first of equal routes gets the messages
			numbers[identity] = number
		}
	}
	for i, item := range find[asgi.List](r.args, "routes").All() {
		route, _ := item.(asgi.Dict)
		var identity []byte
		for _, key := range identityKeys {
			v, _ := route.Get(key)
			identity = append(codec.AppendValueJSON(identity, v), '\n')
		}
		note(string(identity), i)
	}
	if d := find[asgi.Dict](r.args, "application"); d.Len() > 0 {
		note("application", int(d.Int("consumer")))
	}
	return numbers
}

// numberOf returns the number that the process has given a route of the generation. A
// process that was started later may have loaded a file with other routes.
func (c *child) numberOf(consumer int) (int, error) {
	numbers := c.numbers()
	if numbers == nil { // they are those of the generation
		return consumer, nil
	}
	if n, ok := numbers[consumer]; ok {
		return n, nil
	}
	return 0, fmt.Errorf("worker %d has loaded a file that changed after generation %d was loaded, and has no such route; reload the application", c.number, c.set.generation)
}

// numbering returns the numbers of routes in a process by their numbers in the
// generation, or nil if all are the same.
func numbering(generation, process map[string]int) map[int]int {
	numbers := map[int]int{}
	same := len(generation) == len(process)
	for identity, number := range generation {
		n, ok := process[identity]
		if ok {
			numbers[number] = n
		}
		same = same && ok && n == number
	}
	if same {
		return nil
	}
	return numbers
}
