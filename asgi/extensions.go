package asgi

// Names of the extensions, as [Extensions] returns them.
const (
	ExtGroups     = "groups"     // [Groups]
	ExtFlush      = "flush"      // [Flusher]
	ExtStatistics = "statistics" // [Statistics]
	ExtDelay      = "delay"      // [Later]
	ExtState      = "state"      // [KV]
	ExtReaders    = "readers"    // [Readers]
	ExtPutBack    = "putback"    // [PutBack]
	ExtAcceptors  = "acceptors"  // [Acceptors]
	ExtTicker     = "ticker"     // [Ticker]
)

// A Partial layer wraps another layer and offers the extensions that the other
// one has. It has the methods of all extensions; the methods of those it does
// not offer fail with errors.ErrUnsupported.
type Partial interface {
	Layer
	// Offers reports whether the layer has the extension with that name.
	Offers(extension string) bool
}

// As returns the layer as the extension E and reports whether it has E:
//
//	groups, ok := asgi.As[asgi.Groups](layer)
//
// It is a type assertion that also calls Offers of a [Partial] layer.
func As[E any](l Layer) (e E, ok bool) {
	if e, ok = l.(E); !ok {
		return e, false
	}
	if p, partial := l.(Partial); partial && !p.Offers(nameOf[E]()) {
		var none E
		return none, false
	}
	return e, true
}

// OrUnsupported returns the layer as one of its extensions, or [Unsupported]
// if it does not have it.
func OrUnsupported[E any](l Layer) E {
	if e, ok := As[E](l); ok {
		return e
	}
	return any(Unsupported{}).(E)
}

// Extensions returns the names of the extensions that the layer has.
func Extensions(l Layer) []string {
	var names []string
	for _, name := range []string{ExtGroups, ExtFlush, ExtStatistics, ExtDelay, ExtState, ExtReaders, ExtPutBack, ExtAcceptors, ExtTicker} {
		if Offers(l, name) {
			names = append(names, name)
		}
	}
	return names
}

// Offers reports whether the layer has the extension with that name.
func Offers(l Layer, extension string) bool {
	var ok bool
	switch extension {
	case ExtGroups:
		_, ok = As[Groups](l)
	case ExtFlush:
		_, ok = As[Flusher](l)
	case ExtStatistics:
		_, ok = As[Statistics](l)
	case ExtDelay:
		_, ok = As[Later](l)
	case ExtState:
		_, ok = As[KV](l)
	case ExtReaders:
		_, ok = As[Readers](l)
	case ExtPutBack:
		_, ok = As[PutBack](l)
	case ExtAcceptors:
		_, ok = As[Acceptors](l)
	case ExtTicker:
		_, ok = As[Ticker](l)
	}
	return ok
}

func nameOf[E any]() string {
	switch any((*E)(nil)).(type) {
	case *Groups:
		return ExtGroups
	case *Flusher:
		return ExtFlush
	case *Statistics:
		return ExtStatistics
	case *Later:
		return ExtDelay
	case *KV:
		return ExtState
	case *Readers:
		return ExtReaders
	case *PutBack:
		return ExtPutBack
	case *Acceptors:
		return ExtAcceptors
	case *Ticker:
		return ExtTicker
	}
	return ""
}
