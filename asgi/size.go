package asgi

// Encoded sizes are those of MessagePack, in which messages are stored and
// sent. Package asgi/codec writes it, and its tests compare both.

// SizeOf returns the encoded length of a checked value, in bytes.
func SizeOf(v any) int {
	switch v := v.(type) {
	case string:
		return textSize(len(v))
	case Bytes:
		return bytesSize(len(v))
	case int64:
		return intSize(v)
	case float64:
		return 9
	case List:
		return v.Size()
	case Dict:
		return v.Size()
	}
	return 1 // nil, true, false
}

func textSize(n int) int {
	if n < 1<<5 {
		return 1 + n
	}
	return bytesSize(n)
}

func bytesSize(n int) int {
	switch {
	case n < 1<<8:
		return 2 + n
	case n < 1<<16:
		return 3 + n
	}
	return 5 + n
}

func headerSize(n int) int {
	switch {
	case n < 1<<4:
		return 1
	case n < 1<<16:
		return 3
	}
	return 5
}

func intSize(v int64) int {
	switch {
	case -1<<5 <= v && v < 1<<7:
		return 1
	case -1<<7 <= v && v < 1<<7:
		return 2
	case -1<<15 <= v && v < 1<<15:
		return 3
	case -1<<31 <= v && v < 1<<31:
		return 5
	}
	return 9
}

// Memory that the parts of a message take on 64-bit machines, in bytes.
const (
	itemFootprint   = 16 // an interface
	fieldFootprint  = 32 // a key's header and an interface
	indexFootprint  = 40 // one entry of a map
	stringFootprint = 16
	dictFootprint   = 64
)

// FootprintOf returns approximately how many bytes of memory a checked value
// takes.
func FootprintOf(v any) int {
	switch v := v.(type) {
	case string:
		return stringFootprint + len(v)
	case Bytes:
		return stringFootprint + len(v)
	case int64, float64:
		return 8
	case List:
		return dictFootprint + v.heap
	case Dict:
		return dictFootprint + v.heap
	}
	return 0 // nil, true and false take no memory besides the interface
}
