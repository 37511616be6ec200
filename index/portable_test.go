package index

import (
	"bytes"
	"encoding/hex"
	"slices"
	"testing"
)

func TestPortableKeysRefuse(t *testing.T) {
	for name, form := range map[string]string{
		"no type":                   "00",
		"type any":                  "01",
		"a type that is none":       "80",
		"no ports":                  "08",
		"a list of none":            "0800",
		"a list that is cut":        "080801",
		"port 0":                    "080400",
		"the same port twice":       "08080100",
		"a port beyond all":         "0804808004",
		"a number that never ends":  "08ffffffffffffffffffffff",
		"an unknown form":           "080701",
		"a run less than it says":   "080d010101",
		"a run more than it says":   "0805010101",
		"a run from port 0":         "08090100" + "01",
		"a run beyond all":          "080d01" + "ffff03" + "02",
		"two runs that touch":       "0809020100" + "0000",
		"more runs than there are":  "080902" + "0100",
		"a bitmap that is cut":      "0806ff",
		"something behind the list": "08040100",
	} {
		data, err := hex.DecodeString(form)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		had := []Key{1}
		if got, err := ParseKeys(had, data); err == nil || len(got) != 1 {
			t.Errorf("%s: %v, error %v, want an error and what there was", name, got, err)
		}
	}
}

func TestPortableIDRefuses(t *testing.T) {
	for name, form := range map[string]string{
		"nothing":                    "",
		"an unknown kind":            "07",
		"the kind of an address":     "06",
		"a UUID that is cut":         "02aabb",
		"a text that is cut":         "010578",
		"a text with more behind":    "01017878",
		"a text without a length":    "01",
		"an IPv4 address as text":    "0107" + hex.EncodeToString([]byte("1.2.3.4")),
		"a length longer than it is": "01" + "8100" + "78",
		"none with bytes":            "0078",
	} {
		data, err := hex.DecodeString(form)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if id, err := ParseID(data); err == nil {
			t.Errorf("%s: %q, want an error", name, id)
		}
	}
}

// FuzzPortableKeys reads any bytes: either they are refused, or they are a form whose
// keys are valid, in order and the same once more.
func FuzzPortableKeys(f *testing.F) {
	for _, keys := range [][]Key{nil, {MakeKey(22, TCP)}, {MakeKey(22, TCP), MakeKey(53, UDP), MakeKey(53, UDP6)}, everyPort(TCP, 1, 65535), everyPort(UDP, 3, 50000)} {
		f.Add(AppendKeys(nil, keys))
	}
	f.Fuzz(func(t *testing.T, form []byte) {
		keys, err := ParseKeys(nil, form)
		if err != nil {
			return
		}
		for i, k := range keys {
			if !k.Valid() || i > 0 && keys[i-1] >= k {
				t.Fatalf("key %v at %d is invalid or out of order", k, i)
			}
		}
		again, err := ParseKeys(nil, AppendKeys(nil, keys))
		if err != nil || !slices.Equal(keys, again) {
			t.Fatalf("%v, written and read again %v, error %v", keys, again, err)
		}
	})
}

// everyPort returns the ports of a type from one on, so far apart that the list takes
// every form.
func everyPort(t Type, step, most int) []Key {
	var keys []Key
	for p := step; p <= most; p += step {
		keys = append(keys, MakeKey(uint16(p), t))
	}
	return keys
}

// FuzzPortableID holds that an id survives, and that no bytes make trouble.
func FuzzPortableID(f *testing.F) {
	for _, id := range []string{"", "web-1", "10.0.0.1", "::1", "0f8fad5b-d9cb-469f-a165-70867728950e", "0f8fad5bd9cb469fa16570867728950e", "\x00\xff"} {
		f.Add([]byte(id))
		f.Add(AppendID(nil, id))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if id, err := ParseID(data); err == nil && !bytes.Equal(AppendID(nil, id), data) {
			t.Fatalf("%x is read as %q, which is written as %x", data, id, AppendID(nil, id))
		}
		if id, err := ParseID(AppendID(nil, string(data))); err != nil || id != string(data) {
			t.Fatalf("%q is read as %q, error %v", data, id, err)
		}
	})
}
