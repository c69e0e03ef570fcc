package lib

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"go.starlark.net/starlark"
)

var base64Functions = map[string]function{
	"encode": base64Encode,
	"decode": base64Decode,
}

func base64Encode(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	data, err := one(b, "data", args, kwargs)
	if err != nil {
		return nil, err
	}
	return made(b.Name(), data, func(data string) string { return base64.StdEncoding.EncodeToString([]byte(data)) })
}

// base64Decode accepts both alphabets, with or without padding.
func base64Decode(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	text, err := one(b, "text", args, kwargs)
	if err != nil {
		return nil, err
	}
	text = strings.NewReplacer("-", "+", "_", "/", "\n", "", "\r", "").Replace(text)
	data, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return nil, fmt.Errorf("%s: the text is not base64", b.Name())
	}
	return starlark.Bytes(data), nil
}

var hashFunctions = map[string]function{
	"sha256": func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		data, err := one(b, "data", args, kwargs)
		sum := sha256.Sum256([]byte(data))
		return hexText(sum[:]), err
	},
	"md5": func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		data, err := one(b, "data", args, kwargs)
		sum := md5.Sum([]byte(data))
		return hexText(sum[:]), err
	},
	"hmac_sha256": hmacSHA256,
}

func hmacSHA256(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var key, data starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "key", &key, "data", &data); err != nil {
		return nil, err
	}
	k, ok := octets(key)
	d, ok2 := octets(data)
	if !ok || !ok2 {
		return nil, fmt.Errorf("%s: key and data must be text or bytes", b.Name())
	}
	mac := hmac.New(sha256.New, []byte(k))
	mac.Write([]byte(d))
	return hexText(mac.Sum(nil)), nil
}

func hexText(sum []byte) starlark.String { return starlark.String(hex.EncodeToString(sum)) }
