package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"portolan/engine/journal"
	"portolan/index"
)

// The first byte of a key says what its record is. See FORMAT.md.
const (
	beginsTag    = 'b' // + inventory number: after which batch what changed of it is kept
	imageTag     = 'c' // what there is of the image
	followerTag  = 'f' // + name: how far a follower of what changed has come
	goneTag      = 'g' // + project: when it was removed
	historyTag   = 'h' // + inventory number + sequence number + number of an asset: what a batch changed
	inventoryTag = 'i' // + inventory number: a mark
	countedTag   = 'm' // what counts are kept; + inventory number: after which batch
	countsTag    = 'n' // + inventory number + kind + hour or day + key: what changed of counts
	lineageTag   = 'l' // which sequence numbers are of batches that are kept
	sequenceTag  = 'q' // the sequence number of the last batch
	stateTag     = 's' // + inventory number + id: an asset's times and state
	timesTag     = 't' // + inventory number + id: times of an asset, later than those
)

// errDamaged is wrapped by every error about a record that is not as it was written.
var errDamaged = errors.New("damaged record")

// errClosed is returned by what is called after [Store.Close].
var errClosed = errors.New("store is closed")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendRecord appends a record: the CRC-32C of its key and its payload, then the payload.
func appendRecord(dst, key, payload []byte) []byte {
	sum := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, payload)
	return append(binary.LittleEndian.AppendUint32(dst, sum), payload...)
}

// payloadOf returns the payload of a record, if it is the one that was written under the key.
func payloadOf(key, record []byte) ([]byte, error) {
	if len(record) < crc32.Size {
		return nil, fmt.Errorf("%w at key %x: %d bytes", errDamaged, key, len(record))
	}
	payload := record[crc32.Size:]
	want := binary.LittleEndian.Uint32(record)
	if sum := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, payload); sum != want {
		return nil, fmt.Errorf("%w at key %x: checksum %08x, want %08x", errDamaged, key, sum, want)
	}
	return payload, nil
}

// keyBytes is the length of a key up to the id.
const keyBytes = 5

// appendKey appends the key of an inventory's mark, or what the keys of its assets begin with.
func appendKey(dst []byte, tag byte, inventory uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, tag), inventory)
}

// beyond returns the key after all of an inventory's of a kind.
func beyond(tag byte, inventory uint32) []byte {
	if inventory == math.MaxUint32 {
		return []byte{tag + 1}
	}
	return appendKey(nil, tag, inventory+1)
}

// appendAssetKey appends the key of an asset's state or times.
func appendAssetKey(dst []byte, tag byte, inventory uint32, asset string) []byte {
	return index.AppendID(appendKey(dst, tag, inventory), asset)
}

// An asset's whole record has the payload
//
//	uvarint(sequence number of the batch), uvarint(length of the times), times, state
//
// and one that confirmed what was known
//
//	uvarint(sequence number of the batch), times
//
// which counts if its number is the higher one: a new whole record outdates it, and need
// not remove it.
func appendWhole(dst []byte, seq uint64, times, state []byte) []byte {
	dst = binary.AppendUvarint(dst, seq)
	dst = binary.AppendUvarint(dst, uint64(len(times)))
	return append(append(dst, times...), state...)
}

func parseWhole(data []byte) (seq uint64, times, state []byte, err error) {
	seq, n := binary.Uvarint(data)
	if n > 0 {
		size, m := binary.Uvarint(data[n:])
		if rest := data[n+max(m, 0):]; m > 0 && size <= uint64(len(rest)) {
			return seq, rest[:size], rest[size:], nil
		}
	}
	return 0, nil, nil, fmt.Errorf("%w: %x is no asset", errDamaged, data[:min(len(data), 32)])
}

func appendLater(dst []byte, seq uint64, times []byte) []byte {
	return append(binary.AppendUvarint(dst, seq), times...)
}

func parseLater(data []byte) (seq uint64, times []byte, err error) {
	seq, n := binary.Uvarint(data)
	if n <= 0 {
		return 0, nil, fmt.Errorf("%w: %x are no times", errDamaged, data)
	}
	return seq, data[n:], nil
}

// markVersion is the first byte of a mark's payload; [journal.Mark.Append] describes the rest.
const markVersion = 1

func appendMark(dst []byte, m *journal.Mark) []byte { return m.Append(append(dst, markVersion)) }

func parseMark(data []byte) (journal.Mark, error) {
	if len(data) > 0 && data[0] == markVersion {
		if m, rest, ok := journal.ParseMark(data[1:]); ok && len(rest) == 0 {
			return m, nil
		}
	}
	return journal.Mark{}, fmt.Errorf("%w: %x is no mark of an inventory", errDamaged, data)
}

// sequenceKey is the key of the sequence number of the last batch, whose payload is a version byte, that as a
// uvarint, and since version 2 the time of the batch, a varint in microseconds since 1970.
var sequenceKey = []byte{sequenceTag}

const sequenceVersion = 2

func appendSequence(dst []byte, last journal.Point) []byte {
	return binary.AppendVarint(binary.AppendUvarint(append(dst, sequenceVersion), last.Seq), last.Time)
}

func parseSequence(data []byte) (last journal.Point, err error) {
	if len(data) > 1 && data[0] <= sequenceVersion && data[0] > 0 {
		seq, n := binary.Uvarint(data[1:])
		last.Seq = seq
		m := 0
		if data[0] > 1 && n > 0 {
			last.Time, m = binary.Varint(data[1+n:])
		}
		if n > 0 && 1+n+m == len(data) && (m > 0) == (data[0] > 1) {
			return last, nil
		}
	}
	return journal.Point{}, fmt.Errorf("%w: %x is no sequence number", errDamaged, data)
}
