package sqlite

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// faultVFS is SQLite's own VFS with hooks before each write and sync, and a
// memory of what the disk would hold if the power went now: what was synced,
// and any part of what was written since.
type faultVFS struct {
	name string

	mu    sync.Mutex
	files map[string]*diskFile // by base name
	// before is called before each operation on the database or its journal;
	// a result other than SQLITE_OK is the operation's. It runs under no lock.
	before func(op faultOp) int32
}

type faultOp struct {
	sync bool   // else a write
	file string // base name
}

// diskFile is one file as the disk sees it.
type diskFile struct {
	synced  []byte
	pending []diskWrite
}

// diskWrite is a write, or a truncation when data is nil.
type diskWrite struct {
	at   int64
	data []byte
}

// The C side hands back nothing but addresses, so that what belongs to them
// must be found by these.
var faults struct {
	sync.Mutex
	systems map[uintptr]*faultVFS // by sqlite3_vfs
	files   map[uintptr]faultFile // by sqlite3_file
	count   atomic.Int64
}

type faultFile struct {
	vfs      *faultVFS
	base     string
	original *sqlite3.Tsqlite3_io_methods
}

// at turns an address of the C side into a pointer.
func at[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

// function turns a function declared at the top level into one that C calls.
func function[T any](f T) uintptr { return *(*uintptr)(unsafe.Pointer(&struct{ f T }{f})) }

// call turns an address into a function that Go calls.
func call[T any](address uintptr) T {
	return *(*T)(unsafe.Pointer(&struct{ address uintptr }{address}))
}

// newFaultVFS registers a VFS for the time of the test.
func newFaultVFS(t testing.TB) *faultVFS {
	t.Helper()
	tls := libc.NewTLS()
	v := &faultVFS{name: "fault" + strconv.FormatInt(faults.count.Add(1), 10), files: map[string]*diskFile{}}
	zName, err := libc.CString(v.name)
	if err != nil {
		t.Fatal(err)
	}
	original := sqlite3.Xsqlite3_vfs_find(tls, 0)
	address := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(sqlite3.Tsqlite3_vfs{})))
	vfs := at[sqlite3.Tsqlite3_vfs](address)
	*vfs = *at[sqlite3.Tsqlite3_vfs](original)
	vfs.FzName, vfs.FpNext = zName, 0
	vfs.FxOpen, vfs.FxDelete = function(faultOpen), function(faultDelete)
	faults.Lock()
	if faults.systems == nil {
		faults.systems, faults.files = map[uintptr]*faultVFS{}, map[uintptr]faultFile{}
	}
	faults.systems[address] = v
	faults.Unlock()
	if rc := sqlite3.Xsqlite3_vfs_register(tls, address, 0); rc != sqlite3.SQLITE_OK {
		t.Fatalf("registering a VFS: %d", rc)
	}
	t.Cleanup(func() {
		sqlite3.Xsqlite3_vfs_unregister(tls, address)
		tls.Close()
	})
	return v
}

// fail sets the hook; nil lets everything pass.
func (v *faultVFS) fail(before func(op faultOp) int32) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.before = before
}

func (v *faultVFS) hook(op faultOp) int32 {
	v.mu.Lock()
	before := v.before
	v.mu.Unlock()
	if before == nil {
		return sqlite3.SQLITE_OK
	}
	return before(op)
}

func faultOpen(tls *libc.TLS, vfs, zName, file uintptr, flags int32, outFlags uintptr) int32 {
	original := sqlite3.Xsqlite3_vfs_find(tls, 0)
	open := call[func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32](at[sqlite3.Tsqlite3_vfs](original).FxOpen)
	rc := open(tls, original, zName, file, flags, outFlags)
	if rc != sqlite3.SQLITE_OK || flags&(sqlite3.SQLITE_OPEN_MAIN_DB|sqlite3.SQLITE_OPEN_WAL) == 0 {
		return rc
	}
	f := at[sqlite3.Tsqlite3_file](file)
	methods := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(sqlite3.Tsqlite3_io_methods{})))
	m := at[sqlite3.Tsqlite3_io_methods](methods)
	*m = *at[sqlite3.Tsqlite3_io_methods](f.FpMethods)
	faults.Lock()
	defer faults.Unlock()
	v := faults.systems[vfs]
	base := filepath.Base(libc.GoString(zName))
	faults.files[file] = faultFile{vfs: v, base: base, original: at[sqlite3.Tsqlite3_io_methods](f.FpMethods)}
	m.FxWrite, m.FxSync, m.FxTruncate, m.FxClose = function(faultWrite), function(faultSync), function(faultTruncate), function(faultClose)
	f.FpMethods = methods
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.files[base] == nil {
		there, err := os.ReadFile(libc.GoString(zName))
		if err != nil {
			return sqlite3.SQLITE_CANTOPEN
		}
		v.files[base] = &diskFile{synced: there}
	}
	return rc
}

func faultDelete(tls *libc.TLS, vfs, zName uintptr, syncDir int32) int32 {
	faults.Lock()
	v := faults.systems[vfs]
	faults.Unlock()
	original := sqlite3.Xsqlite3_vfs_find(tls, 0)
	rc := call[func(*libc.TLS, uintptr, uintptr, int32) int32](at[sqlite3.Tsqlite3_vfs](original).FxDelete)(tls, original, zName, syncDir)
	if rc == sqlite3.SQLITE_OK {
		v.mu.Lock()
		delete(v.files, filepath.Base(libc.GoString(zName)))
		v.mu.Unlock()
	}
	return rc
}

func faultyFile(file uintptr) faultFile {
	faults.Lock()
	defer faults.Unlock()
	return faults.files[file]
}

func (f faultFile) record(w diskWrite) {
	f.vfs.mu.Lock()
	defer f.vfs.mu.Unlock()
	disk := f.vfs.files[f.base]
	disk.pending = append(disk.pending, w)
}

func faultWrite(tls *libc.TLS, file, data uintptr, size int32, offset int64) int32 {
	f := faultyFile(file)
	if rc := f.vfs.hook(faultOp{file: f.base}); rc != sqlite3.SQLITE_OK {
		return rc
	}
	f.record(diskWrite{at: offset, data: slices.Clone(unsafe.Slice(at[byte](data), size))})
	return call[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](f.original.FxWrite)(tls, file, data, size, offset)
}

func faultTruncate(tls *libc.TLS, file uintptr, size int64) int32 {
	f := faultyFile(file)
	f.record(diskWrite{at: size})
	return call[func(*libc.TLS, uintptr, int64) int32](f.original.FxTruncate)(tls, file, size)
}

func faultSync(tls *libc.TLS, file uintptr, flags int32) int32 {
	f := faultyFile(file)
	if rc := f.vfs.hook(faultOp{sync: true, file: f.base}); rc != sqlite3.SQLITE_OK {
		return rc
	}
	rc := call[func(*libc.TLS, uintptr, int32) int32](f.original.FxSync)(tls, file, flags)
	f.vfs.mu.Lock()
	defer f.vfs.mu.Unlock()
	disk := f.vfs.files[f.base]
	for _, w := range disk.pending {
		disk.synced = w.onto(disk.synced)
	}
	disk.pending = nil
	return rc
}

func faultClose(tls *libc.TLS, file uintptr) int32 {
	f := faultyFile(file)
	rc := call[func(*libc.TLS, uintptr) int32](f.original.FxClose)(tls, file)
	faults.Lock()
	defer faults.Unlock()
	delete(faults.files, file)
	return rc
}

// onto returns the image with the write in it.
func (w diskWrite) onto(image []byte) []byte {
	if w.data == nil {
		return image[:min(w.at, int64(len(image)))]
	}
	if end := int(w.at) + len(w.data); end > len(image) {
		image = append(image, make([]byte, end-len(image))...)
	}
	copy(image[w.at:], w.data)
	return image
}

// powerLoss returns what the disk holds if the power goes now: of the writes
// that were not synced each is there, or not, or in some of its sectors only.
func (v *faultVFS) powerLoss(random *rand.Rand) map[string][]byte {
	const sector = 512
	v.mu.Lock()
	defer v.mu.Unlock()
	images := map[string][]byte{}
	for _, name := range slices.Sorted(maps.Keys(v.files)) {
		image := slices.Clone(v.files[name].synced)
		for _, w := range v.files[name].pending {
			switch random.IntN(3) {
			case 0:
				image = w.onto(image)
			case 1:
				for from := 0; from < len(w.data); from += sector {
					if random.IntN(2) == 0 {
						part := w.data[from:min(from+sector, len(w.data))]
						image = diskWrite{at: w.at + int64(from), data: part}.onto(image)
					}
				}
			}
		}
		images[name] = image
	}
	return images
}
