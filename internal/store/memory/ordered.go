package memory

import "sort"

// chunkSize bounds what an insert or a delete moves. With 10^6 documents an
// insert moves at most 24 KiB of entries, and every 256th also the chunk list.
const chunkSize = 512

// entry is one document within its kind.
type entry struct {
	key     string
	version int64
	value   []byte
}

// ordered holds entries by key in sorted chunks, none of them empty: half the
// memory of a tree of nodes, and a scan runs along slices.
type ordered struct {
	chunks [][]entry
}

// find returns where key is or belongs. The chunk index may be len(chunks)
// only when there are no chunks.
func (o *ordered) find(key string) (chunk, at int, found bool) {
	// The last chunk whose first key is not greater.
	chunk = sort.Search(len(o.chunks), func(i int) bool { return o.chunks[i][0].key > key }) - 1
	if chunk < 0 {
		return 0, 0, false
	}
	entries := o.chunks[chunk]
	at = sort.Search(len(entries), func(i int) bool { return entries[i].key >= key })
	return chunk, at, at < len(entries) && entries[at].key == key
}

func (o *ordered) get(key string) (entry, bool) {
	chunk, at, found := o.find(key)
	if !found {
		return entry{}, false
	}
	return o.chunks[chunk][at], true
}

func (o *ordered) set(e entry) {
	chunk, at, found := o.find(e.key)
	switch {
	case found:
		o.chunks[chunk][at] = e
		return
	case len(o.chunks) == 0:
		o.chunks = [][]entry{{e}}
		return
	}
	if len(o.chunks[chunk]) == chunkSize {
		chunk, at = o.split(chunk, at)
	}
	entries := append(o.chunks[chunk], entry{})
	copy(entries[at+1:], entries[at:])
	entries[at] = e
	o.chunks[chunk] = entries
}

// split divides a full chunk and returns where position at went. An append at
// the very end starts a new chunk instead, so that keys that come in order
// leave full chunks behind.
func (o *ordered) split(chunk, at int) (int, int) {
	entries := o.chunks[chunk]
	cut := chunkSize / 2
	if chunk == len(o.chunks)-1 && at == len(entries) {
		cut = chunkSize - 1
	}
	right := append(make([]entry, 0, chunkSize), entries[cut:]...)
	clear(entries[cut:])
	o.chunks = append(o.chunks, nil)
	copy(o.chunks[chunk+2:], o.chunks[chunk+1:])
	o.chunks[chunk], o.chunks[chunk+1] = entries[:cut], right
	if at > cut {
		return chunk + 1, at - cut
	}
	return chunk, at
}

func (o *ordered) remove(key string) {
	chunk, at, found := o.find(key)
	if !found {
		return
	}
	entries := o.chunks[chunk]
	copy(entries[at:], entries[at+1:])
	entries[len(entries)-1] = entry{}
	entries = entries[:len(entries)-1]
	if len(entries) > 0 {
		o.chunks[chunk] = entries
		return
	}
	copy(o.chunks[chunk:], o.chunks[chunk+1:])
	o.chunks[len(o.chunks)-1] = nil
	o.chunks = o.chunks[:len(o.chunks)-1]
}

// ascend calls visit with the entries from key on, in order, until it returns false.
func (o *ordered) ascend(from string, visit func(entry) bool) {
	chunk, at, _ := o.find(from)
	for ; chunk < len(o.chunks); chunk, at = chunk+1, 0 {
		for _, e := range o.chunks[chunk][at:] {
			if !visit(e) {
				return
			}
		}
	}
}
