package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// issuer makes tokens "token-1", "token-2" … that live as long as it says, and
// refuses while refusals are left.
type issuer struct {
	life time.Duration

	mu       sync.Mutex
	issued   int
	refusals int
	asked    []time.Time
	now      func() time.Time
}

func (i *issuer) token(context.Context) (Token, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked = append(i.asked, i.now())
	if i.refusals > 0 {
		i.refusals--
		return Token{}, errors.New("no tokens today")
	}
	i.issued++
	return Token{Value: fmt.Sprintf("token-%d", i.issued), Expires: i.now().Add(i.life).Round(0)}, nil
}

func (i *issuer) refuse(times int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.refusals = times
}

// since returns when tokens were asked for.
func (i *issuer) since(start time.Time) []time.Duration {
	i.mu.Lock()
	defer i.mu.Unlock()
	var at []time.Duration
	for _, asked := range i.asked {
		at = append(at, asked.Sub(start))
	}
	return at
}

// journal is a log that is read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(line)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// newTokenFile is a file in a folder of its own. In a bubble its clock is the bubble's.
func newTokenFile(t *testing.T, from *issuer, log io.Writer) *TokenFile {
	t.Helper()
	from.now = time.Now
	return &TokenFile{
		Path: filepath.Join(t.TempDir(), "azure-identity-token"), Request: from.token,
		Now: time.Now, After: time.After, Log: slog.New(slog.NewTextHandler(log, nil)),
	}
}

// keep keeps the file until the test ends, and fails it if that does not end Keep.
func keep(t *testing.T, f *TokenFile) {
	t.Helper()
	token, err := f.Write(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	go f.Keep(t.Context(), token) // a bubble waits for its goroutines
}

func (f *TokenFile) check(t *testing.T, want string) {
	t.Helper()
	got, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("file: got %q, want %q", got, want)
	}
}

func TestTokenFileWrite(t *testing.T) {
	f := newTokenFile(t, &issuer{life: time.Hour}, io.Discard)
	if _, err := f.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	before, err := os.Open(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	if _, err := f.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.check(t, "token-2")
	if old, err := io.ReadAll(before); err != nil || string(old) != "token-1" {
		t.Errorf("a file that is being read: got %q, %v, want all of token-1", old, err)
	}
	info, err := os.Stat(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode(); got != fs.FileMode(0o600) {
		t.Errorf("mode: got %v, want -rw-------", got)
	}
	entries, err := os.ReadDir(filepath.Dir(f.Path))
	if err != nil || len(entries) != 1 {
		t.Errorf("folder: got %v, %v, want one file", entries, err)
	}
}

func TestTokenFileWriteErrors(t *testing.T) {
	refusing := newTokenFile(t, &issuer{refusals: 1}, io.Discard)
	if err := os.WriteFile(refusing.Path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := refusing.Write(t.Context()); err == nil {
		t.Error("refused request: got no error")
	}
	refusing.check(t, "old")
	lost := newTokenFile(t, &issuer{life: time.Hour}, io.Discard)
	lost.Path = filepath.Join(lost.Path, "no", "folder")
	if _, err := lost.Write(t.Context()); !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "token-1") {
		t.Errorf("no folder: got %v, want that it does not exist", err)
	}
}

// TestTokenFileKeep: the kubelet replaces a token at 80 % of its life.
func TestTokenFileKeep(t *testing.T) {
	for _, life := range []time.Duration{10 * time.Minute, time.Hour, 24 * time.Hour} {
		t.Run(life.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newTokenFile(t, &issuer{life: life}, io.Discard)
				keep(t, f)
				for i := 1; i < 4; i++ {
					time.Sleep(life*8/10 - time.Second)
					synctest.Wait()
					f.check(t, fmt.Sprintf("token-%d", i))
					time.Sleep(time.Second)
					synctest.Wait()
					f.check(t, fmt.Sprintf("token-%d", i+1))
				}
			})
		})
	}
}

func TestTokenFileRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal
		from := &issuer{life: time.Hour}
		f := newTokenFile(t, from, &log)
		start := time.Now()
		keep(t, f)
		from.refuse(8)
		time.Sleep(48*time.Minute + 3*time.Minute)
		synctest.Wait()
		f.check(t, "token-1")
		time.Sleep(time.Minute)
		synctest.Wait()
		f.check(t, "token-2")
		want := []time.Duration{0, 48 * time.Minute}
		for _, pause := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
			want = append(want, want[len(want)-1]+time.Duration(pause)*time.Second)
		}
		if got := from.since(start); !slices.Equal(got, want) {
			t.Errorf("requests: got %v, want %v", got, want)
		}
		if text := log.String(); !strings.Contains(text, "no tokens today") || strings.Contains(text, "token-") {
			t.Errorf("log: got %q, want the reason and no token", text)
		}
		time.Sleep(48 * time.Minute)
		synctest.Wait()
		f.check(t, "token-3")
	})
}

// TestTokenFileAfterSleep: timers stand still while a laptop sleeps; its clock
// does not.
func TestTokenFileAfterSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := &issuer{life: time.Hour}
		f := newTokenFile(t, from, io.Discard)
		var asleep atomic.Int64
		f.Now = func() time.Time { return time.Now().Add(time.Duration(asleep.Load())) }
		from.now = f.Now
		keep(t, f)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		asleep.Store(int64(2 * time.Hour))
		time.Sleep(time.Minute)
		synctest.Wait()
		f.check(t, "token-2")
	})
}

// TestTokenFileEnds: an end amid a request is no failure to speak of.
func TestTokenFileEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal
		f := newTokenFile(t, &issuer{life: time.Hour}, &log)
		token, err := f.Write(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		f.Request = func(ctx context.Context) (Token, error) {
			<-ctx.Done()
			return Token{}, ctx.Err()
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			f.Keep(ctx, token)
			close(ended)
		}()
		time.Sleep(49 * time.Minute)
		synctest.Wait()
		cancel()
		<-ended
		if text := log.String(); text != "" {
			t.Errorf("log: got %q, want nothing", text)
		}
		f.check(t, "token-1")
	})
}
