package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
)

// verify checks the signature and that the body is the one that was signed. It
// reads the body if its hash is signed, and puts another with the same bytes in
// its place.
func (a *AccessKeys) verify(r *Request, key *accessKey, sig signature) error {
	declared, hasBody := r.Header.Values(hashHeader), r.Body != nil
	switch {
	case len(declared) > 1:
		return malformed("more than one X-Sdk-Content-Sha256 header")
	case len(declared) == 1:
		return a.verifyDeclared(r, key, sig, hasBody)
	case !hasBody:
		return key.verify(r, sig, hashOfNothing)
	case r.BodyLength > a.opts.MaxUnhashedBody:
		return settled{ErrBodyTooLarge}
	}
	held, err := hold(r, a.opts.TempDir, a.opts.MaxUnhashedBody)
	if err != nil {
		return settled{err}
	}
	if err := key.verify(r, sig, hex.EncodeToString(held.sum[:])); err != nil {
		return errors.Join(err, held.discard())
	}
	r.Body = held
	return nil
}

// verifyDeclared is verify for a request that says what its body hashes to:
// that is signed, so the body is read only once the caller is known.
func (a *AccessKeys) verifyDeclared(r *Request, key *accessKey, sig signature, hasBody bool) error {
	declared := strings.TrimSpace(r.Header.Values(hashHeader)[0])
	var want [sha256.Size]byte
	if declared != unsignedPayload {
		if n, err := hex.Decode(want[:], []byte(declared[:min(len(declared), 2*len(want))])); err != nil || n != len(want) || len(declared) != 2*n {
			return malformed("X-Sdk-Content-Sha256: want 64 hex digits or " + unsignedPayload)
		}
	}
	if err := key.verify(r, sig, declared); err != nil || declared == unsignedPayload {
		return err
	}
	if !hasBody {
		return sameBody(want, sha256.Sum256(nil))
	}
	r.Signer = &key.caller
	held, err := hold(r, a.opts.TempDir, 0)
	if err != nil {
		return settled{err}
	}
	if err := sameBody(want, held.sum); err != nil {
		return errors.Join(err, held.discard())
	}
	r.Body = held
	return nil
}

// hashOfNothing is the payload of a request without a body.
var hashOfNothing = func() string {
	sum := sha256.Sum256(nil)
	return hex.EncodeToString(sum[:])
}()

func sameBody(want, got [sha256.Size]byte) error {
	if want != got {
		return malformed("the body is not the one that X-Sdk-Content-Sha256 is of")
	}
	return nil
}

// verify holds the signature against the request, whose payload is as given.
func (k *accessKey) verify(r *Request, sig signature, payload string) error {
	s := scratches.Get().(*scratch) // the pool holds nothing else
	defer s.release()
	if err := s.appendRequest(r, sig.headers, payload); err != nil {
		return err
	}
	s.appendText(sig.dateText)
	k.sign(&s.sum, s.text)
	if !hmac.Equal(s.sum[:], sig.mac[:]) {
		return errBadSignature
	}
	return nil
}
