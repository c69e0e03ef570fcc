package asgi

import "strings"

// MaxNameLength is the longest channel or group name, in bytes.
const MaxNameLength = 100

// Kind says who reads a channel; its name tells.
type Kind uint8

const (
	Normal          Kind = iota // any reader
	SingleReader                // "name?random": one reader, in order
	ProcessSpecific             // "prefix!local": the process that owns "prefix!"
)

// KindOf tells a channel's kind from its name, which it does not check.
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

// ProcessPrefix answers the part of a process-specific name up to and
// including "!", or the whole name of any other channel.
func ProcessPrefix(channel string) string {
	if i := strings.IndexByte(channel, '!'); i >= 0 {
		return channel[:i+1]
	}
	return channel
}

// CheckSend refuses names that no message can be sent to, as an
// [InvalidNameError]. A "?" or "!" must have something on both sides.
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

// CheckReceive refuses names that cannot be received from. A process-specific
// name is received from by its prefix: a local part is an error.
func CheckReceive(channel string) error {
	typed, err := check(channel, "?!")
	switch {
	case err != nil || typed < 0:
		return err
	case channel[typed] == '!' && typed < len(channel)-1:
		return &InvalidNameError{channel, "receive from the part up to and including !, not from one connection"}
	case channel[typed] == '?' && typed == len(channel)-1:
		return &InvalidNameError{channel, "nothing follows the ?"}
	}
	return nil
}

// CheckPrefix refuses what is not a process-specific prefix, "name!".
func CheckPrefix(prefix string) error {
	typed, err := check(prefix, "!")
	if err != nil {
		return err
	}
	if typed < 0 || typed != len(prefix)-1 {
		return &InvalidNameError{prefix, "a process-specific prefix ends in !"}
	}
	return nil
}

// CheckPattern refuses what NewChannel cannot make a name from: a pattern
// ends in "?".
func CheckPattern(pattern string) error {
	typed, err := check(pattern, "?!")
	if err != nil {
		return err
	}
	if typed != len(pattern)-1 || pattern[typed] != '?' {
		return &InvalidNameError{pattern, "a new channel's pattern ends in ?"}
	}
	return nil
}

// CheckGroup refuses what is not a group name.
func CheckGroup(group string) error {
	_, err := check(group, "")
	return err
}

// check looks at every byte and answers where the type character stands, or -1.
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
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_':
		case strings.IndexByte(typeChars, c) >= 0:
			if typed >= 0 {
				return typed, &InvalidNameError{name, "it holds more than one ? or !"}
			}
			if i == 0 {
				return typed, &InvalidNameError{name, "nothing stands before the " + name[:1]}
			}
			typed = i
		default:
			return typed, &InvalidNameError{name, "only ASCII letters, digits, '.', '-' and '_' are allowed" + oneOf(typeChars)}
		}
	}
	return typed, nil
}

func oneOf(typeChars string) string {
	switch typeChars {
	case "":
		return ""
	case "!":
		return ", and one ! at the end"
	default:
		return ", and one ? or !"
	}
}
