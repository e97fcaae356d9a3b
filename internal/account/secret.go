package account

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"regexp"
	"strings"
)

// tokenPrefix lets people and scanners for leaked secrets know a token of ours.
const tokenPrefix = "carrel_"

// securePrefix marks the cookie of a sign-in by https. Its point is in no secret: base64url has none.
const securePrefix = "s."

// OfHTTPS tells whether a cookie's secret was given by https, for what only https can have set.
func OfHTTPS(secret string) bool { return strings.HasPrefix(secret, securePrefix) }

// newSecret gives 256 random bits as text, and the hash to store. A fast hash is
// enough here: there is nothing to guess.
func newSecret(prefix string) (secret string, hash []byte) {
	var b [32]byte
	rand.Read(b[:]) // never fails: it would end the process
	secret = prefix + base64.RawURLEncoding.EncodeToString(b[:])
	return secret, hashOf(secret)
}

func hashOf(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

var lowerBase32 = base32.NewEncoding("abcdefghijkmnpqrstuvwxyz23456789").WithPadding(base32.NoPadding)

// newID gives an opaque identifier, 80 random bits.
func newID(prefix string) string {
	var b [10]byte
	rand.Read(b[:])
	return prefix + lowerBase32.EncodeToString(b[:])
}

var idPattern = regexp.MustCompile(`^(tok|inv)_[a-z0-9]{16}$`)

// newSetupCode gives 100 random bits in groups that a person can type.
func newSetupCode() string {
	var b [13]byte
	rand.Read(b[:])
	code := lowerBase32.EncodeToString(b[:])[:20]
	return strings.Join([]string{code[:5], code[5:10], code[10:15], code[15:]}, "-")
}
