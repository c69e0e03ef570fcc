package asgi

// Names of the extensions, as [Extensions] answers them.
const (
	ExtGroups     = "groups"     // [Groups]
	ExtFlush      = "flush"      // [Flusher]
	ExtStatistics = "statistics" // [Statistics]
	ExtDelay      = "delay"      // [Later]
	ExtState      = "state"      // [KV]
	ExtReaders    = "readers"    // [Readers]
	ExtPutBack    = "putback"    // [PutBack]
)

// A Partial layer has the methods of extensions that it may not offer, since
// it stands before another layer and offers what that one does. The methods of
// the others answer errors.ErrUnsupported.
type Partial interface {
	Layer
	// Offers reports whether it offers the extension of that name.
	Offers(extension string) bool
}

// As answers the layer as one of its extensions, if it has it:
//
//	groups, ok := asgi.As[asgi.Groups](layer)
//
// It is a type assertion that asks a [Partial] layer too.
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

// Extensions answers the names of the extensions that the layer has.
func Extensions(l Layer) []string {
	var names []string
	for _, name := range []string{ExtGroups, ExtFlush, ExtStatistics, ExtDelay, ExtState, ExtReaders, ExtPutBack} {
		if Offers(l, name) {
			names = append(names, name)
		}
	}
	return names
}

// Offers reports whether the layer has the extension of that name.
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
	}
	return ""
}
