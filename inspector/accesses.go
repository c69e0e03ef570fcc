package inspector

import (
	"strings"

	"asgibox/asgi"
	"asgibox/store"
)

const (
	// maxAccessBytes limits the values that the history holds, in bytes.
	maxAccessBytes = 8 << 20
	// accessFootprint is roughly the size of an access without its values, in
	// bytes.
	accessFootprint = 150
)

// addAccesses adds uses of state and sessions. If some were lost, it is not known
// of which chains.
func (h *history) addAccesses(uses []store.Access, lost bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if lost {
		for _, c := range h.chains {
			c.forgotten = true
		}
	}
	for _, use := range uses {
		if strings.HasPrefix(use.Key, asgi.StatePrefix) || strings.HasPrefix(use.Key, asgi.SessionPrefix) {
			h.accesses = append(h.accesses, use)
			h.accessBytes += use.Size + accessFootprint
		}
	}
	n := 0
	for ; h.accessBytes > maxAccessBytes; n++ {
		h.accessBytes -= h.accesses[n].Size + accessFootprint
		if c := h.chains[h.accesses[n].Trace]; c != nil {
			c.forgotten = true
		}
	}
	clear(h.accesses[:n])
	h.accesses = h.accesses[n:]
}
