package redisstore

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"
)

// A seal encrypts and decrypts with one secret, as Fernet defines: a token is the
// URL-safe base64 of
//
//	0x80, time in s (8 bytes), IV (16), AES-128-CBC of the padded text, HMAC-SHA256
type seal struct{ sign, encrypt []byte }

const (
	fernetVersion = 0x80
	fernetHeader  = 1 + 8 + aes.BlockSize
)

// newSeal returns the seal of a secret.
func newSeal(secret string) seal {
	key := sha256.Sum256([]byte(secret))
	return seal{sign: key[:16], encrypt: key[16:]}
}

// seal encrypts a body, if the layer has secrets.
func (l *Layer) seal(body []byte) ([]byte, error) {
	if len(l.seals) == 0 {
		return body, nil
	}
	return l.seals[0].close(body, time.Now())
}

// open decrypts a body, if the layer has secrets.
func (l *Layer) open(body []byte) ([]byte, error) {
	return l.openWithin(body, l.opts.Expiry+10*time.Second)
}

// openWithin decrypts bytes that are at most as old as age, or of any age if that
// is zero.
func (l *Layer) openWithin(body []byte, age time.Duration) ([]byte, error) {
	if len(l.seals) == 0 {
		return body, nil
	}
	for _, s := range l.seals {
		plain, sent, ok := s.open(body)
		switch {
		case !ok:
		case age > 0 && time.Since(sent) > age:
			return nil, errors.New("its encryption is too old; do the clocks of the machines agree?")
		default:
			return plain, nil
		}
	}
	return nil, errors.New("none of the secrets decrypts it (symmetric_encryption_keys)")
}

func (s seal) close(plain []byte, now time.Time) ([]byte, error) {
	block, err := aes.NewCipher(s.encrypt)
	if err != nil {
		return nil, err
	}
	padding := aes.BlockSize - len(plain)%aes.BlockSize
	token := make([]byte, fernetHeader+len(plain)+padding, fernetHeader+len(plain)+padding+sha256.Size)
	token[0] = fernetVersion
	binary.BigEndian.PutUint64(token[1:], uint64(now.Unix()))
	iv := token[9:fernetHeader]
	rand.Read(iv)
	text := token[fernetHeader:]
	copy(text, plain)
	copy(text[len(plain):], bytes.Repeat([]byte{byte(padding)}, padding))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(text, text)
	token = append(token, s.mac(token)...)
	return base64.URLEncoding.AppendEncode(nil, token), nil
}

func (s seal) open(text []byte) (plain []byte, sent time.Time, ok bool) {
	token, err := base64.URLEncoding.AppendDecode(nil, text)
	end := len(token) - sha256.Size
	if err != nil || end < fernetHeader+aes.BlockSize || (end-fernetHeader)%aes.BlockSize != 0 || token[0] != fernetVersion {
		return nil, sent, false
	}
	if !hmac.Equal(s.mac(token[:end]), token[end:]) {
		return nil, sent, false
	}
	block, err := aes.NewCipher(s.encrypt)
	if err != nil {
		return nil, sent, false
	}
	plain = token[fernetHeader:end]
	cipher.NewCBCDecrypter(block, token[9:fernetHeader]).CryptBlocks(plain, plain)
	padding := int(plain[len(plain)-1])
	if padding == 0 || padding > aes.BlockSize {
		return nil, sent, false
	}
	return plain[:len(plain)-padding], time.Unix(int64(binary.BigEndian.Uint64(token[1:])), 0), true
}

func (s seal) mac(token []byte) []byte {
	h := hmac.New(sha256.New, s.sign)
	h.Write(token)
	return h.Sum(nil)
}
