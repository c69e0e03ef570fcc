package redisstore

import (
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"math/rand/v2"

	"asgibox/asgi"
)

// Keys of Redis. P is Options.Prefix, S is Options.StatsPrefix. The first six
// are shared with asgi_redis, the others are ours. A flush of either kind removes
// all keys that begin with P or S.
//
//	P <32 hex digits>             string: the body of a message
//	P <channel>                   list of the keys of bodies; "!" names up to the "!"
//	P :group: <group>             sorted set of channels by the time of their last add
//	S <channel> :messages_count   string: counter, and :channel_full_count
//	S #global# :messages_count    string: counter, and :channel_full_count
//
//	P :in: <hash>                 set of "<channel> <group>" for a "!" channel
//	P :delay                      sorted set of the ids of delayed messages by due time in µs
//	P :delay: <id>                hash: a delayed message
//	P :lease: <machine>           list of the keys of bodies taken from asgi.delay
//	box: P kv: <key>              string: a value of state, of sessions or of settings
//	box: P node: <machine>        string: the heartbeat of a machine
//	box: P nodes                  hash: the bound prefixes of each machine
//	box: P tick: <name>           string: a clock has ticked
//	box: P mailbox: <channel>     string: the mailbox of a connection is full, or gone
const ownPrefix = "box:"

func (l *Layer) listKey(channel string) string { return l.opts.Prefix + asgi.ProcessPrefix(channel) }
func (l *Layer) groupKey(group string) string  { return l.opts.Prefix + ":group:" + group }
func (l *Layer) indexKey(hash string) string   { return l.opts.Prefix + ":in:" + hash }
func (l *Layer) delayKey() string              { return l.opts.Prefix + ":delay" }
func (l *Layer) leaseKey(machine string) string {
	return l.opts.Prefix + ":lease:" + machine
}
func (l *Layer) mailboxKey(channel string) string { return l.ownKey("mailbox:" + channel) }
func (l *Layer) ownKey(rest string) string        { return ownPrefix + l.opts.Prefix + rest }

const (
	countSuffix = ":messages_count"
	fullSuffix  = ":channel_full_count"
	globalName  = "#global#"
)

// bodyKey returns a new key for the body of a message. The last 16 digits of the
// key for a process-specific channel are the hash of its name. They show which
// channel did not read its message, if the body has expired.
func (l *Layer) bodyKey(channel string) string {
	if asgi.KindOf(channel) == asgi.ProcessSpecific {
		return l.opts.Prefix + fmt.Sprintf("%016x", rand.Uint64()) + hashOf(channel)
	}
	return l.opts.Prefix + newID()
}

// newID returns 32 random hex digits.
func newID() string { return fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64()) }

// hashOf returns 16 hex digits for the name of a channel.
func hashOf(channel string) string {
	h := fnv.New64a()
	h.Write([]byte(channel))
	return hex.EncodeToString(h.Sum(nil))
}

// hashIn returns the last 16 digits of the key of a body.
func hashIn(bodyKey string) string { return bodyKey[max(0, len(bodyKey)-16):] }

// ringIndex returns the index of the host for a name, as asgi_redis computes it.
func ringIndex(name string, hosts int) int {
	return int(float64(crc32.ChecksumIEEE([]byte(name))&0xfff) / (4096 / float64(hosts)))
}

// hostOf returns the host of a name: the part up to and including "!", a whole
// single-reader name, a group or the key of a value.
func (l *Layer) hostOf(name string) *host { return l.hosts[ringIndex(name, len(l.hosts))] }
