package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/aksess/aksess/internal/store"
)

func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	dir := filepath.Join(t.TempDir(), "a", "state")
	s := openStore(t, dir)
	defer closeIt(t, s)
	mustApply(t, s, put("x", "1"))
	if _, err := s.PutContent(t.Context(), strings.NewReader(strings.Repeat("x", maxInline+1))); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if entry.IsDir() {
			want = 0o700
		} else {
			files++
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("got mode %v of %s, want %v", got, path, want)
		}
		return nil
	})
	if err != nil || files < 4 {
		t.Errorf("got %d files and error %v, want the database, its journal, the lock and a content", files, err)
	}
}

func TestSecondOpener(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	_, err := Open(t.Context(), Options{Dir: dir})
	var locked *LockedError
	if !errors.As(err, &locked) || locked.PID != os.Getpid() || !strings.Contains(err.Error(), dir) {
		t.Fatalf("got error %v, want a *LockedError with process %d that names the folder", err, os.Getpid())
	}
	mustApply(t, s, put("x", "1"))
	closeIt(t, s)
	s = openStore(t, dir)
	defer closeIt(t, s)
	wantValue(t, s, "x", "1")
}

func TestFolderNames(t *testing.T) {
	for _, name := range []string{"with space", "100%", "a%20b", "q?mode=ro", "h#ash", "ünï", "'quote'", "a&b=c+d", ";", "file:x"} {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS == "windows" && strings.ContainsAny(name, `?:`) {
				t.Skip("Windows has no such names")
			}
			dir := filepath.Join(t.TempDir(), name)
			s := openStore(t, dir)
			mustApply(t, s, put("x", name))
			wantValue(t, s, "x", name)
			closeIt(t, s)
			if info, err := os.Stat(filepath.Join(dir, "aksess.db")); err != nil || info.Size() == 0 {
				t.Fatalf("got database %v and error %v, want it in the folder", info, err)
			}
		})
	}
}

// alter opens the database behind the store's back.
func alter(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func TestRefusedFolders(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(t *testing.T, dir string)
		want    string
	}{
		{"newer_schema", func(t *testing.T, dir string) {
			closeIt(t, openStore(t, dir))
			alter(t, filepath.Join(dir, "aksess.db"), "PRAGMA user_version = 7")
		}, "was written by a newer aksess (schema 7, this one knows 1)"},
		{"other_program", func(t *testing.T, dir string) {
			alter(t, filepath.Join(dir, "aksess.db"), "PRAGMA application_id = 7", "CREATE TABLE doc (x)")
		}, "belongs to another program"},
		{"unmarked_tables", func(t *testing.T, dir string) {
			alter(t, filepath.Join(dir, "aksess.db"), "CREATE TABLE doc (x)")
		}, "belongs to another program"},
		{"no_database", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "aksess.db"), []byte(strings.Repeat("nonsense", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "file is not a database"},
		{"file_instead", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "content"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "not a directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			c.prepare(t, dir)
			before, _ := os.ReadFile(filepath.Join(dir, "aksess.db"))
			for range 2 { // a refusal must let go of the lock
				_, err := Open(t.Context(), Options{Dir: dir})
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
					t.Fatalf("got error %v, want one with %q that names the folder", err, c.want)
				}
			}
			after, _ := os.ReadFile(filepath.Join(dir, "aksess.db"))
			if string(before) != string(after) {
				t.Errorf("the refused database was changed")
			}
		})
	}
}

func TestSchemaErrorIsTyped(t *testing.T) {
	dir := t.TempDir()
	closeIt(t, openStore(t, dir))
	alter(t, filepath.Join(dir, "aksess.db"), "PRAGMA user_version = 7")
	_, err := Open(t.Context(), Options{Dir: dir})
	var schema *SchemaError
	if !errors.As(err, &schema) || schema.Have != 7 || schema.Known != len(migrations) {
		t.Fatalf("got error %v, want a *SchemaError", err)
	}
}

func TestNoFolder(t *testing.T) {
	if _, err := Open(t.Context(), Options{}); err == nil {
		t.Fatal("got no error without a folder")
	}
}

func TestLeftoversAreRemoved(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	ref, err := s.PutContent(t.Context(), strings.NewReader(strings.Repeat("x", maxInline+1)))
	if err != nil {
		t.Fatal(err)
	}
	leftover := filepath.Join(s.content.tmp(), "LEFTOVER")
	if err := os.WriteFile(leftover, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	closeIt(t, s)
	s = openStore(t, dir)
	defer closeIt(t, s)
	if _, err := os.Stat(leftover); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v for an unfinished content after opening, want that it is gone", err)
	}
	if content, err := s.OpenContent(t.Context(), ref); err != nil {
		t.Errorf("got error %v for the finished one", err)
	} else {
		_ = content.Close()
	}
}

// TestFailedContentLeavesNothing covers what a broken upload may leave behind.
func TestFailedContentLeavesNothing(t *testing.T) {
	s := openStore(t, t.TempDir())
	defer closeIt(t, s)
	broken := strings.NewReader(strings.Repeat("x", maxInline+1))
	if _, err := s.PutContent(t.Context(), brokenReader{broken}); err == nil {
		t.Fatal("got no error")
	}
	leftovers, err := os.ReadDir(s.content.tmp())
	if err != nil || len(leftovers) != 0 {
		t.Errorf("got %d leftovers and error %v, want none", len(leftovers), err)
	}
}

// brokenReader fails where the other ends.
type brokenReader struct{ r *strings.Reader }

func (b brokenReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil {
		err = errors.New("connection reset")
	}
	return n, err
}

// TestJournalIsBounded writes beside reads that never pause.
func TestJournalIsBounded(t *testing.T) {
	s, err := Open(t.Context(), Options{Dir: t.TempDir(), CacheBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer closeIt(t, s)
	s.writer.limit = 1 << 20
	mustApply(t, s, put("x", "1"))
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range maxReaders + 1 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := s.List(t.Context(), "k", store.Query{Limit: 2}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	value, largest := strings.Repeat("v", 100<<10), int64(0)
	for i := range 100 {
		mustApply(t, s, put(fmt.Sprint(i%10), value))
		info, err := os.Stat(s.path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		largest = max(largest, info.Size())
	}
	close(stop)
	readers.Wait()
	// Left to itself, SQLite lets it grow to 4 MiB.
	if want := s.writer.limit * 2; largest > want {
		t.Errorf("got a journal of %d bytes, want less than %d", largest, want)
	}
}

// TestContentOnFailingDisk takes the folder of unfinished contents away.
func TestContentOnFailingDisk(t *testing.T) {
	s := openStore(t, t.TempDir())
	defer closeIt(t, s)
	if err := os.Remove(s.content.tmp()); err != nil {
		t.Fatal(err)
	}
	_, err := s.PutContent(t.Context(), strings.NewReader(strings.Repeat("x", maxInline+1)))
	if !errors.Is(err, store.ErrUnwritable) || !strings.Contains(err.Error(), s.content.tmp()) {
		t.Errorf("got error %v, want ErrUnwritable that names %s", err, s.content.tmp())
	}
}
