package lib

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"asgibox/workerpool/script/explain"
	"asgibox/workerpool/script/value"

	"go.starlark.net/starlark"
)

var passwordFunctions = map[string]function{
	"hash":   passwordHash,
	"verify": passwordVerify,
}

const (
	// passwordRounds makes one hash take some tenths of a second.
	passwordRounds = 600_000
	// maxPasswordRounds limits the time that one call of verify takes.
	maxPasswordRounds = 10_000_000
	passwordKind      = "pbkdf2_sha256"
)

// passwordHash implements password.hash(text): a text to store instead of the
// password, with a new random salt. Django writes and reads the same format:
// pbkdf2_sha256$rounds$salt$hash.
func passwordHash(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	text, err := one(b, "text", args, kwargs)
	if err != nil {
		return nil, err
	}
	salt := rand.Text()
	hash, err := passwordKey(text, salt, passwordRounds)
	if err != nil {
		return nil, err
	}
	return starlark.String(fmt.Sprintf("%s$%d$%s$%s", passwordKind, passwordRounds, salt, hash)), nil
}

// passwordVerify implements password.verify(text, hashed). It takes the same
// time for every password.
func passwordVerify(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var password, stored starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "text", &password, "hashed", &stored); err != nil {
		return nil, err
	}
	text, isText := octets(password)
	hashed, isHash := octets(stored)
	switch {
	case !isText:
		return nil, fmt.Errorf("%s: text is %s; it must be text or bytes", b.Name(), value.An(password))
	case !isHash:
		return nil, explain.Hintf("an unknown user has no hash; check that first", "%s: hashed is %s; it must be a text that password.hash returned", b.Name(), value.An(stored))
	}
	parts := strings.Split(hashed, "$")
	if len(parts) != 4 || parts[0] != passwordKind {
		return nil, notHashed(b)
	}
	rounds, err := strconv.Atoi(parts[1])
	if err != nil || rounds < 1 || rounds > maxPasswordRounds {
		return nil, notHashed(b)
	}
	hash, err := passwordKey(text, parts[2], rounds)
	if err != nil {
		return nil, err
	}
	return starlark.Bool(subtle.ConstantTimeCompare([]byte(hash), []byte(parts[3])) == 1), nil
}

func notHashed(b *starlark.Builtin) error {
	return explain.Hintf("store password.hash(text), not the password itself", "%s: hashed is not a text that password.hash returned", b.Name())
}

func passwordKey(text, salt string, rounds int) (string, error) {
	key, err := pbkdf2.Key(sha256.New, text, []byte(salt), rounds, sha256.Size)
	return base64.StdEncoding.EncodeToString(key), err
}
