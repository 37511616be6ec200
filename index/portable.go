package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// errPortable is wrapped by errors about bytes that are none of a portable form.
var errPortable = errors.New("damaged")

// AppendID appends an id in its portable form, which is the shorter the more the id
// looks like a UUID or an address, to dst. Equal ids have equal forms.
func AppendID(dst []byte, id string) []byte {
	kind := len(dst)
	dst = append(dst, 0)
	dst, k := appendIdent(dst, id)
	dst[kind] = byte(k)
	return dst
}

// ParseID returns the id of a portable form.
func ParseID(form []byte) (string, error) {
	if len(form) == 0 {
		return "", fmt.Errorf("%w id: it has no bytes", errPortable)
	}
	kind, data := idKind(form[0]), form[1:]
	fits := false
	switch kind {
	case kindText:
		n, w := binary.Uvarint(data)
		fits = w > 0 && n == uint64(len(data)-w)
	case kindNone, kindUUID, kindHex, kindIPv4, kindIPv6:
		fits = len(data) == kindSize[kind]
	case kindSame: // of addresses only
	}
	if !fits {
		return "", fmt.Errorf("%w id: kind %d with %d bytes", errPortable, kind, len(data))
	}
	id := formatIdent(kind, data)
	if kind == kindUUID || kind == kindHex || kind == kindIPv4 {
		return id, nil // no two forms of these are of one text
	}
	if room := [80]byte{}; !bytes.Equal(AppendID(room[:0], id), form) {
		return "", fmt.Errorf("%w id: %q has another form", errPortable, clip(id))
	}
	return id, nil
}

// ParseNames returns the id, the address and the name of an asset from the form of a [Record].
func ParseNames(form []byte) (id, address, name string, err error) {
	r := Reader{Rest: form}
	head := r.Bytes(1)
	if r.Bad || head[0]&^nameFlag >= 1<<6 {
		return "", "", "", fmt.Errorf("%w names: %x", errPortable, clip(string(form)))
	}
	d := ident{kind: idKind(head[0] & 7), addrKind: idKind(head[0] >> 3 & 7)}
	d.id, d.addr = r.ident(d.kind), r.ident(d.addrKind)
	d.name = r.Rest
	if r.Bad {
		return "", "", "", fmt.Errorf("%w names: %x", errPortable, clip(string(form)))
	}
	id, address, name = d.idText(), d.addressText(), string(d.name)
	var room, idRoom [128]byte
	stored, kind := appendIdent(idRoom[:0], id)
	if id == "" || !bytes.Equal(appendIdentRecord(room[:0], stored, kind, address, name), form) {
		return "", "", "", fmt.Errorf("%w names: %q has another form", errPortable, clip(id))
	}
	return id, address, name, nil
}

// ident reads the stored form of a text of a kind.
func (r *Reader) ident(kind idKind) []byte {
	switch {
	case kind > kindSame:
		r.fail()
		return nil
	case kind != kindText:
		return r.Bytes(kindSize[kind])
	}
	text := *r
	n := text.Uint(uint64(len(text.Rest)))
	text.Bytes(n)
	if text.Bad {
		r.fail()
		return nil
	}
	return r.Bytes(len(r.Rest) - len(text.Rest))
}

// AppendKeys appends keys, which are valid, in order and without repeats, in their
// portable form to dst. Equal keys have equal forms.
func AppendKeys(dst []byte, keys []Key) []byte { return appendKeyList(dst, keys) }

// ParseKeys appends the keys of a portable form, in order, to dst. Bytes that are none
// are an error, and dst is then returned as it was.
func ParseKeys(dst []Key, form []byte) ([]Key, error) {
	if len(form) == 0 {
		return dst, nil
	}
	start, types := len(dst), form[0]
	if types == 0 || types&1 != 0 || types>>typeLimit != 0 {
		return dst, fmt.Errorf("%w keys: types %#x", errPortable, types)
	}
	r := keyReader{Reader{Rest: form[1:]}, dst}
	for t := SCTP; t < typeLimit; t++ {
		if types>>t&1 != 0 && !r.ports(t) {
			return dst, fmt.Errorf("%w keys: ports of %v", errPortable, t)
		}
	}
	if len(r.Rest) > 0 {
		return dst, fmt.Errorf("%w keys: %d bytes behind them", errPortable, len(r.Rest))
	}
	if types&(types-1) != 0 {
		slices.Sort(r.keys[start:])
	}
	return r.keys, nil
}

// keyReader reads a key list that may be damaged.
type keyReader struct {
	Reader
	keys []Key
}

// uint reads a number of at most so much.
func (r *keyReader) uint(most uint32) (uint32, bool) {
	v := r.Uint(uint64(most))
	return uint32(v), !r.Bad
}

// ports reads the ports of a type and says whether they are as many as it says there.
func (r *keyReader) ports(t Type) bool {
	head, ok := r.uint(MaxPort<<2 | 3)
	n, before := int(head>>2), len(r.keys)
	if !ok || n == 0 {
		return false
	}
	switch head & 3 {
	case listForm:
		ok = r.list(t, n)
	case runsForm:
		ok = r.runs(t)
	case bitmapForm:
		if ok = len(r.Rest) >= bitmapSize && r.Rest[0]&1 == 0; ok {
			r.keys, _ = appendTypeKeys(r.keys, append(binary.AppendUvarint(nil, uint64(head)), r.Rest[:bitmapSize]...), t)
			r.Rest = r.Rest[bitmapSize:]
		}
	default:
		return false
	}
	return ok && len(r.keys)-before == n
}

func (r *keyReader) list(t Type, n int) bool {
	port := uint32(0)
	for range n {
		d, ok := r.uint(MaxPort - port)
		if !ok || d == 0 {
			return false
		}
		port += d
		r.keys = append(r.keys, Key(port<<3)|Key(t))
	}
	return true
}

func (r *keyReader) runs(t Type) bool {
	runs, ok := r.uint(MaxPort)
	next := uint32(0) // the lowest port that the run may begin with
	for i := uint32(0); ok && i < runs; i++ {
		gap, fits := r.uint(MaxPort - min(next, MaxPort))
		first := next + gap
		if !fits || first == 0 || i > 0 && gap == 0 {
			return false
		}
		more, fits := r.uint(MaxPort - first)
		if !fits {
			return false
		}
		for port := first; port <= first+more; port++ {
			r.keys = append(r.keys, Key(port<<3)|Key(t))
		}
		next = first + more + 1
	}
	return ok
}

// ID returns the asset's id in the state being written.
func (x *Index) ID(o Ordinal) string {
	id := x.next.ident(o)
	return id.idText()
}

// AppendKeysOf appends the asset's open keys in the state being written, in their
// portable form, to dst.
func (x *Index) AppendKeysOf(dst []byte, o Ordinal) []byte {
	st := x.next.stateOf(o)
	return append(dst, x.next.listOf(&st)...)
}
