package store

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// bbolt maps the file and trusts its meta page, so reading a truncated file
// would fault and end the process. checkFile therefore compares the length of
// the file with its meta page before bbolt opens it.
//
// A meta page, after its header of 16 bytes, in the byte order of the machine:
//
//	magic 4 | version 4 | page size 4 | flags 4 | root 8, sequence 8 | freelist 8 | pages 8 | txid 8 | FNV-1a of what is before 8
const (
	metaOffset = 16
	metaSize   = 64
	metaMagic  = 0xED0CDAED
)

// checkFile fails with errDamaged if the file has no valid meta page, is
// shorter than its newest meta page says, or has invalid pages.
func checkFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	m, ok := newestMeta(f)
	if !ok {
		return fmt.Errorf("%w: no valid meta page", errDamaged)
	}
	if length := m.pages * uint64(m.pageSize); uint64(info.Size()) < length {
		return fmt.Errorf("%w: %d bytes long, expected at least %d", errDamaged, info.Size(), length)
	}
	if err := checkPages(f, m); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return nil
}

// newestMeta returns the valid meta page of the last transaction.
func newestMeta(f io.ReaderAt) (newest meta, ok bool) {
	for _, pageSize := range pageSizes {
		for page := range int64(2) {
			m, valid := readMeta(f, page*pageSize)
			if valid && int64(m.pageSize) == pageSize && (!ok || m.txid > newest.txid) {
				newest, ok = m, true
			}
		}
	}
	return newest, ok
}

// pageSizes are the sizes of pages that bbolt supports, the most common first.
var pageSizes = []int64{4096, 8192, 16384, 32768, 65536, 1024, 2048}

type meta struct {
	pageSize uint32
	root     uint64
	free     uint64 // the page with the free list, or noFreeList
	pages    uint64
	txid     uint64
}

func readMeta(f io.ReaderAt, offset int64) (m meta, ok bool) {
	var b [metaSize]byte
	if _, err := f.ReadAt(b[:], offset+metaOffset); err != nil {
		return m, false
	}
	sum := fnv.New64a()
	sum.Write(b[:56])
	order := binary.NativeEndian
	if order.Uint32(b[:]) != metaMagic || order.Uint64(b[56:]) != sum.Sum64() {
		return m, false
	}
	return meta{order.Uint32(b[8:]), order.Uint64(b[16:]), order.Uint64(b[32:]), order.Uint64(b[40:]), order.Uint64(b[48:])}, true
}
