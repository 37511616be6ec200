package enginetest

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"portolan/index"
)

const day = 24 * time.Hour

// newRand returns the random numbers of one use of a seed.
func newRand(seed uint64, use string) *rand.Rand {
	var tag [8]byte
	copy(tag[:], use)
	return rand.New(rand.NewPCG(seed, binary.LittleEndian.Uint64(tag[:])))
}

// must returns the value of a call that fails only if this package's own text is wrong.
func must[T any](v T, err error) T {
	if err != nil {
		panic("enginetest: " + err.Error())
	}
	return v
}

// keysOf parses keys that are part of this package's text.
func keysOf(texts ...string) []index.Key {
	list := make([]index.Key, len(texts))
	for i, text := range texts {
		list[i] = must(index.ParseKey(text))
	}
	return list
}
