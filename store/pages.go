package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// bbolt follows references between pages without a limit, so a page that refers
// to one above it would make it loop forever. checkPages therefore walks the
// pages first: each must have a valid type, be within bounds, and be referred to
// once. Its keys must be in order: bbolt checks that on a goroutine of its own, whose
// panic would end the process.
//
// A page, in the byte order of the machine:
//
//	id 8 | flags 2 | count 2 | overflow 4, then count elements
//	branch element: key's offset 4 | key's length 4 | child 8
//	leaf element:   flags 4 | key's offset 4 | key's length 4 | value's length 4
//	free list:      a page's id 8; if count is 65,535, their number 8 comes first
//
// Offsets count from the start of the element. A bucket's value is its root 8
// and a sequence 8; if the root is 0 its only page follows.
const (
	pageHead    = 16
	elementSize = 16
	branchFlag  = 1
	leafFlag    = 2
	freeFlag    = 16
	bucketFlag  = 1
	bucketHead  = 16
	maxLevels   = 64
	noFreeList  = math.MaxUint64
)

var errReference = errors.New("invalid page")

// pages walks the pages of a file.
type pages struct {
	file   io.ReaderAt
	meta   meta
	seen   []bool
	levels [][]byte // a buffer for each level of the walk
}

func checkPages(f io.ReaderAt, m meta) error {
	p := &pages{file: f, meta: m, seen: make([]bool, m.pages)}
	if _, err := p.tree(m.root, 0, keyRange{}); err != nil {
		return err
	}
	return p.free(m.free)
}

// free checks the page with the free list, which a file has until its first
// transaction. No free page may be referred to.
func (p *pages) free(id uint64) error {
	if id == noFreeList {
		return nil
	}
	b, err := p.read(id, 0)
	if err != nil {
		return err
	}
	order := binary.NativeEndian
	list := b[pageHead:]
	count := uint64(order.Uint16(b[10:]))
	if count == math.MaxUint16 {
		count, list = order.Uint64(list), list[8:]
	}
	if order.Uint16(b[8:]) != freeFlag || count > uint64(len(list)/8) {
		return fmt.Errorf("%w: page %d is no free list", errReference, id)
	}
	for i := range count {
		free := order.Uint64(list[i*8:])
		if free < 2 || free >= p.meta.pages || p.seen[free] {
			return fmt.Errorf("%w: page %d is in the free list", errReference, free)
		}
		p.seen[free] = true
	}
	return nil
}

// keyRange is the range of keys that may follow on a page.
type keyRange struct {
	from  []byte // the first key may be equal to it; nil for no limit
	below []byte // nil for no limit
}

// next reports whether a key may follow. Other keys must be above it then.
func (r *keyRange) next(key []byte, first bool) bool {
	order := bytes.Compare(r.from, key)
	r.from = key
	return (order < 0 || first && order == 0) && (r.below == nil || bytes.Compare(key, r.below) < 0)
}

// tree checks a page and all below it, whose keys must be in the range. It returns the
// last key.
func (p *pages) tree(id uint64, level int, keys keyRange) (last []byte, err error) {
	if level == maxLevels {
		return nil, fmt.Errorf("%w: page %d is nested too deeply", errReference, id)
	}
	b, err := p.read(id, level)
	if err != nil {
		return nil, err
	}
	order := binary.NativeEndian
	if pageHead+int(order.Uint16(b[10:]))*elementSize > len(b) {
		return nil, fmt.Errorf("%w: page %d has too many elements", errReference, id)
	}
	switch order.Uint16(b[8:]) {
	case branchFlag:
		return p.branch(b, id, level, keys)
	case leafFlag:
		return p.leaf(b, id, level, keys)
	}
	return nil, fmt.Errorf("%w: page %d has an unknown type", errReference, id)
}

// branch checks a branch's elements, and the pages it refers to.
func (p *pages) branch(b []byte, id uint64, level int, keys keyRange) (last []byte, err error) {
	order := binary.NativeEndian
	count := int(order.Uint16(b[10:]))
	if count == 0 {
		return nil, fmt.Errorf("%w: branch %d is empty", errReference, id)
	}
	elements := make([][]byte, count+1) // the keys, then the end of the range
	for i := range count {
		at := pageHead + i*elementSize
		offset, length := order.Uint32(b[at:]), order.Uint32(b[at+4:])
		if !within(b, at, offset, length) {
			return nil, fmt.Errorf("%w: element %d of branch %d", errReference, i, id)
		}
		elements[i] = b[at+int(offset):][:length]
	}
	elements[count] = keys.below
	for i := range count {
		if !keys.next(elements[i], i == 0) {
			return nil, fmt.Errorf("%w: the keys of branch %d are not in order", errReference, id)
		}
		child := order.Uint64(b[pageHead+i*elementSize+8:])
		if keys.from, err = p.tree(child, level+1, keyRange{elements[i], elements[i+1]}); err != nil {
			return nil, err
		}
	}
	return keys.from, nil
}

// read reads a page with its overflow.
func (p *pages) read(id uint64, level int) ([]byte, error) {
	size := uint64(p.meta.pageSize)
	if id < 2 || id >= p.meta.pages {
		return nil, fmt.Errorf("%w: there is no page %d", errReference, id)
	}
	if len(p.levels) == level {
		p.levels = append(p.levels, make([]byte, size))
	}
	b := p.levels[level][:size]
	if _, err := p.file.ReadAt(b, int64(id*size)); err != nil {
		return nil, err
	}
	order := binary.NativeEndian
	overflow := uint64(order.Uint32(b[12:]))
	if order.Uint64(b) != id || overflow >= p.meta.pages-id {
		return nil, fmt.Errorf("%w: page %d has another id or too long an overflow", errReference, id)
	}
	for i := id; i <= id+overflow; i++ {
		if p.seen[i] {
			return nil, fmt.Errorf("%w: page %d is referred to twice", errReference, i)
		}
		p.seen[i] = true
	}
	if overflow > 0 {
		b = make([]byte, (overflow+1)*size)
		p.levels[level] = b
		if _, err := p.file.ReadAt(b, int64(id*size)); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// leaf checks a leaf's elements, and the buckets among them. It returns the last key.
func (p *pages) leaf(b []byte, id uint64, level int, keys keyRange) (last []byte, err error) {
	order := binary.NativeEndian
	for i := range int(order.Uint16(b[10:])) {
		at := pageHead + i*elementSize
		offset, key, value := order.Uint32(b[at+4:]), order.Uint32(b[at+8:]), order.Uint32(b[at+12:])
		if !within(b, at, offset, key) || !within(b, at+int(offset)+int(key), 0, value) {
			return nil, fmt.Errorf("%w: element %d of leaf %d", errReference, i, id)
		}
		start := at + int(offset) + int(key)
		last = b[start-int(key) : start]
		if !keys.next(last, i == 0) {
			return nil, fmt.Errorf("%w: the keys of leaf %d are not in order", errReference, id)
		}
		if order.Uint32(b[at:])&bucketFlag == 0 {
			continue
		}
		if err := p.bucket(b[start:start+int(value)], id, level); err != nil {
			return nil, err
		}
	}
	return last, nil
}

// bucket checks the value of a bucket and the pages it refers to.
func (p *pages) bucket(value []byte, id uint64, level int) error {
	if len(value) < bucketHead {
		return fmt.Errorf("%w: leaf %d has a bucket that is too short", errReference, id)
	}
	order := binary.NativeEndian
	if root := order.Uint64(value); root != 0 {
		_, err := p.tree(root, level+1, keyRange{})
		return err
	}
	inline := value[bucketHead:]
	if len(inline) < pageHead || order.Uint16(inline[8:]) != leafFlag || pageHead+int(order.Uint16(inline[10:]))*elementSize > len(inline) {
		return fmt.Errorf("%w: leaf %d has an invalid inline bucket", errReference, id)
	}
	if level+1 == maxLevels {
		return fmt.Errorf("%w: leaf %d has buckets nested too deeply", errReference, id)
	}
	_, err := p.leaf(inline, id, level+1, keyRange{})
	return err
}

// within reports whether the length bytes at at+offset lie in the page.
func within(b []byte, at int, offset, length uint32) bool {
	return uint64(at)+uint64(offset)+uint64(length) <= uint64(len(b))
}
