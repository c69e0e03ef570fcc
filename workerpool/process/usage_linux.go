package process

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// clockTick is the unit of times in /proc: it is the same on all architectures that Go
// supports.
const clockTick = time.Second / 100

// usage returns the resident memory of a process, in bytes, and the time for which it
// has run, or zeros if they are unknown.
func usage(pid int) (memory int64, cpu time.Duration) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, 0
	}
	return parseStat(stat)
}

// parseStat returns the memory and the time of a file stat of /proc.
func parseStat(stat []byte) (memory int64, cpu time.Duration) {
	fields := statFields(stat)
	number := func(i int) int64 {
		if i >= len(fields) {
			return 0
		}
		n, _ := strconv.ParseInt(string(fields[i]), 10, 64)
		return n
	}
	return number(21) * int64(os.Getpagesize()), time.Duration(number(11)+number(12)) * clockTick
}

// statFields returns the fields of a file stat of /proc after the name, which may contain
// anything: the state, the parent, the group and so on.
func statFields(stat []byte) [][]byte {
	return bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
}
