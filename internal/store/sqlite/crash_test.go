package sqlite

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/store"
)

// The harness kills a writing process with SIGKILL at random points, the first
// moments after its start included, and lets the next process, the one that
// recovers, compare what is there with what the earlier ones acknowledged.
//
// A kill does not test the loss of power: what was handed to the kernel
// survives it. TestPowerLoss does that, for the database.

const (
	crashCycles  = 50
	crashWriters = 4
	crashKept    = 10 // entries of a writer's log that are kept

	crashDirEnv  = "AKSESS_TEST_CRASH_DIR"
	crashSeedEnv = "AKSESS_TEST_CRASH_SEED"
)

func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for some seconds")
	}
	seed := rand.Uint64()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	random := rand.New(rand.NewPCG(seed, 1))
	ledger := &ledger{acknowledged: make([]int, crashWriters)}
	dir := t.TempDir()
	writes := 0
	for cycle := range crashCycles {
		// Up to a good start and a few hundred writes; some are killed at once.
		life := time.Duration(random.ExpFloat64() * float64(80*time.Millisecond))
		writes += runUntilKilled(t, dir, random.Uint64(), life, ledger)
		if t.Failed() {
			t.Fatalf("cycle %d, seed %d", cycle, seed)
		}
	}
	s := openStore(t, dir)
	defer closeIt(t, s)
	heads, err := verifyLogs(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	ledger.compare(t, heads)
	t.Logf("%d acknowledged writes in %d processes", writes, crashCycles)
	if writes < crashCycles {
		t.Errorf("got %d acknowledged writes in %d processes, want the harness to write more than that", writes, crashCycles)
	}
}

func closeIt(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// ledger is what the parent knows: the last acknowledged entry of each writer
// and the greatest version ever given out.
type ledger struct {
	acknowledged []int
	version      int64
	earlier      int64 // the greatest version of the processes before
}

func (l *ledger) compare(t *testing.T, heads []int) {
	t.Helper()
	for writer, head := range heads {
		// The write after the last acknowledged one may be there or not.
		if want := l.acknowledged[writer]; head != want && head != want+1 {
			t.Errorf("writer %d: got entry %d last, want the acknowledged %d or the next", writer, head, want)
		}
		l.acknowledged[writer] = head
	}
}

// runUntilKilled starts a writer, kills it after its life and enters what it
// said until then. It returns the number of acknowledged writes.
func runUntilKilled(t *testing.T, dir string, seed uint64, life time.Duration, l *ledger) (writes int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKillWriter$")
	cmd.Env = append(os.Environ(), crashDirEnv+"="+dir, crashSeedEnv+"="+strconv.FormatUint(seed, 10))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	// The life counts from the moment the process opens the store.
	if line, err := lines.ReadString('\n'); line != "opening\n" {
		t.Errorf("got %q and error %v from the writer, want that it opens the store", line, err)
	}
	kill := time.AfterFunc(life, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	for {
		line, err := lines.ReadString('\n')
		if err != nil { // an unfinished line acknowledges nothing
			break
		}
		if l.enter(t, line) {
			writes++
		}
	}
	_ = cmd.Wait() // killed
	if stderr.Len() > 0 {
		t.Errorf("the writer said: %s", stderr.String())
	}
	return writes
}

// enter reads one line of a writer and reports whether it acknowledges a write.
func (l *ledger) enter(t *testing.T, line string) bool {
	t.Helper()
	if found, ok := strings.CutPrefix(line, "found "); ok {
		heads := make([]int, crashWriters)
		for i, field := range strings.Fields(found) {
			heads[i], _ = strconv.Atoi(field)
		}
		l.compare(t, heads)
		l.earlier = l.version
		return false
	}
	var writer, entry int
	var version int64
	if _, err := fmt.Sscanf(line, "wrote %d %d %d\n", &writer, &entry, &version); err != nil {
		t.Errorf("got %q from the writer", line)
		return false
	}
	if entry != l.acknowledged[writer]+1 {
		t.Errorf("writer %d acknowledged entry %d after %d", writer, entry, l.acknowledged[writer])
	}
	l.acknowledged[writer] = entry
	if version <= l.earlier {
		t.Errorf("got version %d, want more than the %d of the process before", version, l.earlier)
	}
	l.version = max(l.version, version)
	return true
}

// TestKillWriter is the process that is killed.
func TestKillWriter(t *testing.T) {
	dir := os.Getenv(crashDirEnv)
	if dir == "" {
		t.Skip("a part of TestKill")
	}
	seed, err := strconv.ParseUint(os.Getenv(crashSeedEnv), 10, 64)
	if err == nil {
		err = writeLogs(t.Context(), dir, seed)
	}
	fmt.Fprintln(os.Stderr, err) // it ends by being killed, or not well
	os.Exit(1)
}

func writeLogs(ctx context.Context, dir string, seed uint64) error {
	fmt.Println("opening")
	s, err := Open(ctx, Options{Dir: dir})
	if err != nil {
		return err
	}
	heads, err := verifyLogs(ctx, s)
	if err != nil {
		return err
	}
	fmt.Println("found", strings.Trim(fmt.Sprint(heads), "[]"))
	var mu sync.Mutex
	errs := make(chan error)
	for writer, head := range heads {
		random := rand.New(rand.NewPCG(seed, uint64(writer)))
		go func() {
			for entry := head + 1; ; entry++ {
				version, err := writeEntry(ctx, s, random, writer, entry)
				if err != nil {
					errs <- fmt.Errorf("writer %d, entry %d: %w", writer, entry, err)
					return
				}
				mu.Lock()
				fmt.Printf("wrote %d %d %d\n", writer, entry, version)
				mu.Unlock()
			}
		}()
	}
	return <-errs
}

// entry is one document of a writer's log. The head document of the writer
// counts them; both, and the end of an old one, are one write.
type entry struct {
	Number  int
	Sum     uint32
	Content store.ContentRef
}

func entryKey(writer, number int) string { return fmt.Sprintf("%d/%09d", writer, number) }

func writeEntry(ctx context.Context, s *Store, random *rand.Rand, writer, number int) (int64, error) {
	size := random.IntN(2000) // mostly small contents
	if random.IntN(10) == 0 {
		size = maxInline + random.IntN(200<<10)
	}
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	ref, err := s.PutContent(ctx, bytes.NewReader(data))
	if err != nil {
		return 0, err
	}
	log := store.Collection[entry]{Store: s, Kind: "log"}
	head := store.Collection[int]{Store: s, Kind: "head"}
	add, err := log.PutOp(entryKey(writer, number), entry{number, crc32.ChecksumIEEE(data), ref}, store.Absent())
	if err != nil {
		return 0, err
	}
	count, err := head.PutOp(strconv.Itoa(writer), number, store.Always())
	if err != nil {
		return 0, err
	}
	ops := []store.Op{count, add}
	old, err := log.Get(ctx, entryKey(writer, number-crashKept))
	if err == nil {
		ops = append(ops, log.DeleteOp(old.Key, store.At(old.Version)))
	} else if !errors.Is(err, store.ErrNotFound) {
		return 0, err
	}
	versions, err := s.Apply(ctx, ops...)
	if err != nil {
		return 0, err
	}
	return versions[1], s.DeleteContent(ctx, old.Value.Content)
}

// verifyLogs requires of every writer that its log ends where its head says,
// goes back as far as it should and has its contents, and returns the heads.
func verifyLogs(ctx context.Context, s *Store) ([]int, error) {
	log := store.Collection[entry]{Store: s, Kind: "log"}
	heads := make([]int, crashWriters)
	for writer := range heads {
		head, err := store.Collection[int]{Store: s, Kind: "head"}.Get(ctx, strconv.Itoa(writer))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		heads[writer] = head.Value
		entries, err := log.All(ctx, strconv.Itoa(writer)+"/")
		if err != nil {
			return nil, err
		}
		if want := min(head.Value, crashKept); len(entries) != want {
			return nil, fmt.Errorf("writer %d: got %d entries at head %d, want %d", writer, len(entries), head.Value, want)
		}
		for i, item := range entries {
			if want := head.Value - len(entries) + 1 + i; item.Value.Number != want {
				return nil, fmt.Errorf("writer %d: got entry %d, want %d", writer, item.Value.Number, want)
			}
			if err := verifyContent(ctx, s, item.Value); err != nil {
				return nil, fmt.Errorf("writer %d, entry %d: %w", writer, item.Value.Number, err)
			}
		}
	}
	return heads, nil
}

func verifyContent(ctx context.Context, s *Store, e entry) error {
	content, err := s.OpenContent(ctx, e.Content)
	if err != nil {
		return fmt.Errorf("opening content %+v: %w", e.Content, err)
	}
	defer content.Close()
	data, err := io.ReadAll(content)
	if err == nil && crc32.ChecksumIEEE(data) != e.Sum {
		err = errors.New("other bytes than were written")
	}
	return err
}
