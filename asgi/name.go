package asgi

import (
	"fmt"
	"strings"
)

// MaxNameLength is the maximum length of a channel or group name, in bytes.
const MaxNameLength = 100

// Kind is the kind of a channel, which its name determines.
type Kind uint8

const (
	Normal          Kind = iota // "name": any number of readers
	SingleReader                // "name?random": one reader, in order
	ProcessSpecific             // "prefix!local": read by the process that owns "prefix!"
)

// KindOf returns the kind of a channel. It does not check the name.
func KindOf(channel string) Kind {
	switch i := strings.IndexAny(channel, "?!"); {
	case i < 0:
		return Normal
	case channel[i] == '?':
		return SingleReader
	default:
		return ProcessSpecific
	}
}

// ProcessPrefix returns the part of a process-specific name up to and
// including "!", or the whole name of any other channel.
func ProcessPrefix(channel string) string {
	if i := strings.IndexByte(channel, '!'); i >= 0 {
		return channel[:i+1]
	}
	return channel
}

// CheckSend returns an [InvalidNameError] unless messages can be sent to the
// channel. A "?" or "!" in its name must have characters on both sides.
func CheckSend(channel string) error {
	typed, err := check(channel, "?!")
	if err != nil {
		return err
	}
	if typed == len(channel)-1 {
		return &InvalidNameError{channel, "nothing follows the " + channel[typed:]}
	}
	return nil
}

// CheckTarget returns an [InvalidNameError] unless the layer can send to the channel by
// itself, after a delay or as the member of a group. It reads [DelayChannel] itself.
func CheckTarget(channel string) error {
	if channel == DelayChannel {
		return &InvalidNameError{channel, "a delayed message or a message to a group cannot be sent to it"}
	}
	return CheckSend(channel)
}

// MaxReceive is the maximum number of channels that one receive names. A layer
// handles them in one step, while other calls wait.
const MaxReceive = 10_000

// CheckReceiveAll returns an error unless one receive can name these channels: an
// [InvalidNameError], or an [ErrInvalidName] if there are more than [MaxReceive].
func CheckReceiveAll(channels []string) error {
	if len(channels) > MaxReceive {
		return fmt.Errorf("%w: a receive names %d channels; the most are %d", ErrInvalidName, len(channels), MaxReceive)
	}
	for _, name := range channels {
		if err := CheckReceive(name); err != nil {
			return err
		}
	}
	return nil
}

// CheckReceive returns an [InvalidNameError] unless messages can be received
// from the channel. The name of a process-specific channel must be a prefix: a
// local part is an error.
func CheckReceive(channel string) error {
	typed, err := check(channel, "?!")
	switch {
	case err != nil || typed < 0:
		return err
	case channel[typed] == '!' && typed < len(channel)-1:
		return &InvalidNameError{channel, "receive from the part up to and including !, not from a single connection"}
	case channel[typed] == '?' && typed == len(channel)-1:
		return &InvalidNameError{channel, "nothing follows the ?"}
	}
	return nil
}

// CheckPrefix returns an [InvalidNameError] unless the argument is a
// process-specific prefix, "name!".
func CheckPrefix(prefix string) error {
	typed, err := check(prefix, "!")
	if err != nil {
		return err
	}
	if typed < 0 || typed != len(prefix)-1 {
		return &InvalidNameError{prefix, "a process-specific prefix must end in !"}
	}
	return nil
}

// CheckPattern returns an [InvalidNameError] unless the argument is a pattern
// for NewChannel, "name?".
func CheckPattern(pattern string) error {
	typed, err := check(pattern, "?!")
	if err != nil {
		return err
	}
	if typed != len(pattern)-1 || pattern[typed] != '?' {
		return &InvalidNameError{pattern, "the pattern of a new channel must end in ?"}
	}
	return nil
}

// CheckGroup returns an [InvalidNameError] unless the argument is a group name.
func CheckGroup(group string) error {
	_, err := check(group, "")
	return err
}

// check checks every byte of a name. It returns the index of the type
// character, or -1.
func check(name, typeChars string) (typed int, err error) {
	typed = -1
	switch {
	case name == "":
		return typed, &InvalidNameError{name, "it is empty"}
	case len(name) > MaxNameLength:
		return typed, &InvalidNameError{name, "it is longer than 100 bytes"}
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case isNameByte(c):
		case strings.IndexByte(typeChars, c) >= 0:
			if typed >= 0 {
				return typed, &InvalidNameError{name, "it has more than one ? or !"}
			}
			if i == 0 {
				return typed, &InvalidNameError{name, "nothing comes before the " + name[:1]}
			}
			typed = i
		default:
			return typed, &InvalidNameError{name, "only ASCII letters, digits, '.', '-' and '_' are allowed" + alsoAllowed(typeChars)}
		}
	}
	return typed, nil
}

// isNameByte reports whether a name may contain a byte at any place.
func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '-' || c == '_'
}

func alsoAllowed(typeChars string) string {
	switch typeChars {
	case "":
		return ""
	case "!":
		return ", and one ! at the end"
	default:
		return ", and one ? or !"
	}
}
