package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"

	"asgibox/asgi"
	"asgibox/asgi/codec"
)

// The file has one bucket for each kind of entry. Numbers are big-endian, so
// that keys sort in the order of their numbers. Every value ends in a CRC-32C of
// key and value, because bbolt does not detect a changed byte.
//
//	bucket    key                 value
//	messages  id 8                kind 1 | time 8 | trace 8 | name | message as MessagePack | crc 4
//	          id 8                'g' 1 | time 8 | trace 8 | n uvarint | n × (id delta uvarint | name) | message | crc 4
//	taken     group's id 8, id 8  crc 4
//	groups    group 0 channel     time 8 | crc 4
//	values    key                 time 8 | value as MessagePack | crc 4
//	meta      "format"            1 8 | crc 4
//	          "alive"             time 8 | crc 4
//
// A name is its length in one byte, then its bytes. The time of a message
// (kind 'm' or 'g') is its deadline, the time of a delayed message (kind 'd') is
// when it is due, the time of a membership or value is when it expires. The time
// of "alive" is when the file was last written.
const formatVersion = 1

const (
	kindMessage = 'm'
	kindDelayed = 'd'
	kindCopies  = 'g'
)

var (
	messagesBucket = []byte("messages")
	takenBucket    = []byte("taken")
	groupsBucket   = []byte("groups")
	valuesBucket   = []byte("values")
	metaBucket     = []byte("meta")
	allBuckets     = [][]byte{messagesBucket, takenBucket, groupsBucket, valuesBucket, metaBucket}

	formatKey = []byte("format")
	aliveKey  = []byte("alive")
)

var (
	errChecksum = errors.New("checksum mismatch")
	errShort    = errors.New("too short")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const crcSize = 4

// seal appends the checksum to the value that starts at dst[start].
func seal(dst []byte, start int, key []byte) []byte {
	crc := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, dst[start:])
	return binary.BigEndian.AppendUint32(dst, crc)
}

// unseal checks the checksum and returns the value without it.
func unseal(key, value []byte) ([]byte, error) {
	if len(value) < crcSize {
		return nil, errShort
	}
	body, sum := value[:len(value)-crcSize], value[len(value)-crcSize:]
	if crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, body) != binary.BigEndian.Uint32(sum) {
		return nil, errChecksum
	}
	return body, nil
}

func appendID(dst []byte, id uint64) []byte { return binary.BigEndian.AppendUint64(dst, id) }

func appendTime(dst []byte, t int64) []byte { return binary.BigEndian.AppendUint64(dst, uint64(t)) }

func appendName(dst []byte, name string) []byte {
	return append(append(dst, byte(len(name))), name...)
}

// appendMessage appends the value of a message, delayed or not, without its
// checksum.
func appendMessage(dst []byte, kind byte, time int64, r *record) []byte {
	dst = appendHead(dst, kind, time, r.trace)
	return codec.Append(appendName(dst, r.channel), r.message)
}

func appendCopies(dst []byte, c *copies) []byte {
	dst = appendHead(dst, kindCopies, c.deadline, c.trace)
	n := 0
	for _, r := range c.records {
		if !r.cancelled {
			n++
		}
	}
	dst = binary.AppendUvarint(dst, uint64(n))
	last := c.id
	for _, r := range c.records {
		if !r.cancelled {
			dst = appendName(binary.AppendUvarint(dst, r.id-last), r.channel)
			last = r.id
		}
	}
	return codec.Append(dst, c.message)
}

func appendHead(dst []byte, kind byte, t int64, trace asgi.TraceID) []byte {
	dst = appendTime(append(dst, kind), t)
	return binary.BigEndian.AppendUint64(dst, uint64(trace))
}

// A storedMessage is the decoded value of a message.
type storedMessage struct {
	kind    byte
	time    int64
	trace   asgi.TraceID
	copies  []copyName // of a group's message
	channel string     // of any other message
	body    asgi.Message
}

type copyName struct {
	id      uint64
	channel string
}

// decodeMessage decodes the values that appendMessage and appendCopies encode.
func decodeMessage(key, value []byte) (id uint64, m storedMessage, err error) {
	if len(key) != 8 {
		return 0, m, fmt.Errorf("the key of a message has %d bytes, not 8", len(key))
	}
	body, err := unseal(key, value)
	if err != nil {
		return 0, m, err
	}
	id = binary.BigEndian.Uint64(key)
	if len(body) < 17 {
		return id, m, errShort
	}
	m.kind = body[0]
	m.time = int64(binary.BigEndian.Uint64(body[1:]))
	m.trace = asgi.TraceID(binary.BigEndian.Uint64(body[9:]))
	rest := body[17:]
	switch m.kind {
	case kindMessage, kindDelayed:
		m.channel, rest, err = readName(rest)
	case kindCopies:
		m.copies, rest, err = readCopies(id, rest)
	default:
		err = fmt.Errorf("unknown kind of message %q", m.kind)
	}
	if err != nil {
		return id, m, err
	}
	m.body, err = codec.Decode(rest)
	return id, m, err
}

func readName(b []byte) (name string, rest []byte, err error) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return "", nil, errShort
	}
	name, rest = string(b[1:1+b[0]]), b[1+b[0]:]
	return name, rest, asgi.CheckSend(name)
}

func readCopies(id uint64, b []byte) (list []copyName, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)) {
		return nil, nil, errShort
	}
	b = b[size:]
	list = make([]copyName, n)
	for i := range list {
		delta, size := binary.Uvarint(b)
		if size <= 0 {
			return nil, nil, errShort
		}
		id += delta
		list[i].id = id
		if list[i].channel, b, err = readName(b[size:]); err != nil {
			return nil, nil, err
		}
	}
	return list, b, nil
}

func takenKey(dst []byte, group, id uint64) []byte { return appendID(appendID(dst, group), id) }

func decodeTaken(key, value []byte) (id uint64, err error) {
	if len(key) != 16 {
		return 0, fmt.Errorf("the key of a taken copy has %d bytes, not 16", len(key))
	}
	if _, err := unseal(key, value); err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(key[8:]), nil
}

func memberKey(dst []byte, m *membership) []byte {
	return append(append(append(dst, m.group...), 0), m.channel...)
}

func decodeMember(key, value []byte) (m membership, err error) {
	group, channel, ok := strings.Cut(string(key), "\x00")
	if !ok {
		return m, errors.New("the key of a membership has no separator")
	}
	if m.expires, _, err = decodeTime(key, value); err != nil {
		return m, err
	}
	m.group, m.channel = group, channel
	return m, checkMember(group, channel)
}

// decodeTime decodes a value that starts with a time.
func decodeTime(key, value []byte) (t int64, rest []byte, err error) {
	body, err := unseal(key, value)
	if err != nil {
		return 0, nil, err
	}
	if len(body) < 8 {
		return 0, nil, errShort
	}
	return int64(binary.BigEndian.Uint64(body)), body[8:], nil
}

func decodeValue(key, value []byte) (kv keyValue, err error) {
	var rest []byte
	kv.key = string(key)
	if kv.expires, rest, err = decodeTime(key, value); err != nil {
		return kv, err
	}
	if err := asgi.CheckKey(kv.key); err != nil {
		return kv, err
	}
	kv.data, err = codec.DecodeValue(rest)
	return kv, err
}
