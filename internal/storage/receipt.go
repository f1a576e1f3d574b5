package storage

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// ErrReceipt: the text is not a pop receipt.
var ErrReceipt = errors.New("invalid pop receipt format")

const (
	nonceSize   = 16 // bytes
	receiptSize = 16 + nonceSize
)

// Position is where a message lies in its queue.
type Position struct {
	Visible int64 // from when it is visible, in Unix nanoseconds
	Order   int64 // among those of one moment: grows with every message placed by this process
}

// VisibleFrom is when the message is visible.
func (p Position) VisibleFrom() time.Time { return time.Unix(0, p.Visible) }

// key is fixed in width, so that keys are in the order of positions.
func (p Position) key(queue Queue, id string) string {
	return fmt.Sprintf("%s/%016x%016x/%s", queue.UID, uint64(p.Visible), uint64(p.Order), id)
}

// visibleUntil is the least key of a message that is not visible at that time.
func visibleUntil(queue Queue, at time.Time) string {
	return fmt.Sprintf("%s/%016x", queue.UID, uint64(at.UnixNano())+1)
}

// receipt is a pop receipt: where the message lies since it was last placed,
// and a nonce that nobody else can know.
type receipt struct {
	position Position
	nonce    []byte
}

func (r receipt) String() string {
	data := make([]byte, 0, receiptSize)
	data = binary.BigEndian.AppendUint64(data, uint64(r.position.Visible))
	data = binary.BigEndian.AppendUint64(data, uint64(r.position.Order))
	return base64.RawURLEncoding.EncodeToString(append(data, r.nonce...))
}

func parseReceipt(text string) (receipt, error) {
	if len(text) != base64.RawURLEncoding.EncodedLen(receiptSize) {
		return receipt{}, ErrReceipt
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(data) != receiptSize { // the decoder skips line breaks
		return receipt{}, ErrReceipt
	}
	return receipt{
		position: Position{
			Visible: int64(binary.BigEndian.Uint64(data)),
			Order:   int64(binary.BigEndian.Uint64(data[8:])),
		},
		nonce: data[16:],
	}, nil
}
