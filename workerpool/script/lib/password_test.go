package lib

import "testing"

func TestPasswords(t *testing.T) {
	// Python's hashlib.pbkdf2_hmac made this hash.
	const hashed = `"pbkdf2_sha256$10000$seasalt$CWWFdHOWwPnki7HvkcqN9iA2T3KLW1cf2uZ5kvArtVY="`
	checkAll(t, [][2]string{
		{`[password.verify(p, ` + hashed + `) for p in ["lètmein", b"lètmein", "letmein", ""]]`, `[True, True, False, False]`},
		{`(lambda a, b: [a.startswith("pbkdf2_sha256$600000$"), a == b, password.verify("söcret", a)])(password.hash("söcret"), password.hash("söcret"))`, `[True, False, True]`},
	})
	checkRefused(t, [][3]string{
		{`password.hash(1)`, "password.hash: text is an int; it must be text or bytes", ""},
		{`password.verify(1, "")`, "password.verify: text is an int; it must be text or bytes", ""},
		{`password.verify("a", None)`, "password.verify: hashed is None", "an unknown user has no hash"},
		{`password.verify("a", "a")`, "hashed is not a text that password.hash returned", "store password.hash(text)"},
		{`password.verify("a", "md5$1$salt$hash")`, "hashed is not a text that password.hash returned", ""},
		{`password.verify("a", "pbkdf2_sha256$99999999999$salt$hash")`, "hashed is not a text that password.hash returned", ""},
		{`password.verify("a", "pbkdf2_sha256$0$salt$hash")`, "hashed is not a text that password.hash returned", ""},
	})
}
