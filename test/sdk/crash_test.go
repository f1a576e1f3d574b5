package sdk

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

const (
	cycles     = 50
	firstSeed  = 20261123
	keysOfEach = 6                     // of each kind of thing that is written
	longest    = 80 * time.Millisecond // of writing before a kill
)

// kind is one kind of thing that is written over and over.
type kind interface {
	// connect makes the clients for a local Azure that has just started.
	connect(a *azure, credential azcore.TokenCredential, options azcore.ClientOptions) error
	// next chooses a key and the state to give it.
	next(random *rand.Rand, l *ledger, state string) (key, want string)
	write(ctx context.Context, key, state string) error
	// read returns the state of a key, or an error when what it holds follows
	// from no single state.
	read(ctx context.Context, key string) (string, error)
}

// TestKill kills the local Azure with SIGKILL in the middle of writes, and
// finds after each restart every acknowledged write and none half applied.
func TestKill(t *testing.T) {
	seed := uint64(firstSeed)
	if text := os.Getenv("SDK_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SDK_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	state := filepath.Join(t.TempDir(), "state")
	a := launch(t, "--state", state)
	scenario := a.deploy(t)
	kinds := []kind{&secretKind{}, &settingKind{}, &blobKind{}, &blobKind{blocks: true}, &messageKind{}, &credentialKind{scenario: scenario}}
	ledgers := make([]*ledger, len(kinds))
	for i := range ledgers {
		ledgers[i] = &ledger{}
	}
	for cycle := range cycles {
		connectAll(t, a, kinds)
		verifyAll(t, kinds, ledgers)
		if t.Failed() {
			log := a.logText(t)
			t.Fatalf("cycle %d, whose log ends\n%s", cycle, log[max(0, len(log)-4000):])
		}
		writeUntilKilled(t, a, kinds, ledgers, cycle, random)
		if cycle%5 == 0 {
			killAtStart(t, state, random)
		}
		a = launch(t, "--state", state)
	}
	connectAll(t, a, kinds)
	verifyAll(t, kinds, ledgers)
	kinds[0].(*secretKind).verifyVersions(t, ledgers[0])
	for i, l := range ledgers {
		t.Logf("%T: %d writes acknowledged", kinds[i], l.acked)
		if l.acked == 0 {
			t.Errorf("%T: not one write was acknowledged in %d cycles", kinds[i], cycles)
		}
	}
	if err := a.stop(); err != nil {
		t.Errorf("the last one: got %v, want it to end with 0", err)
	}
}

func connectAll(t *testing.T, a *azure, kinds []kind) {
	t.Helper()
	pem, err := os.ReadFile(a.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	proxy, err := url.Parse(a.ProxyURL)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	options := azcore.ClientOptions{
		Transport: &http.Client{Transport: transport, Timeout: 20 * time.Second},
		Retry:     policy.RetryOptions{MaxRetries: -1}, // a write is sent once
	}
	credential, err := azidentity.NewClientSecretCredential(a.TenantID, a.Deployer.ClientID, a.Deployer.ClientSecret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kinds {
		if err := k.connect(a, credential, options); err != nil {
			t.Fatalf("%T: %v", k, err)
		}
	}
}

func verifyAll(t *testing.T, kinds []kind, ledgers []*ledger) {
	var verifying sync.WaitGroup
	for i, k := range kinds {
		verifying.Go(func() {
			if err := verify(context.Background(), k, ledgers[i]); err != nil {
				t.Errorf("%T: %v", k, err)
			}
		})
	}
	verifying.Wait()
}

func verify(ctx context.Context, k kind, l *ledger) error {
	var wrong []error
	for _, key := range l.keys() {
		before := l.state(key)
		got, err := k.read(ctx, key)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", key, err))
			continue
		}
		wrong = append(wrong, l.settle(key, got))
		if c, ok := k.(*credentialKind); ok && before != absent && before != got {
			wrong = append(wrong, c.refused(ctx, before))
		}
	}
	if m, ok := k.(*messageKind); ok {
		wrong = append(wrong, m.reset(ctx, l))
	}
	return errors.Join(wrong...)
}

// writeUntilKilled lets one writer a kind write until the process is killed, at
// a moment of the seed's choosing after the first write that was acknowledged.
// Only a broken connection may end a writer.
func writeUntilKilled(t *testing.T, a *azure, kinds []kind, ledgers []*ledger, cycle int, random *rand.Rand) {
	t.Helper()
	var writers sync.WaitGroup
	first := make(chan struct{})
	begun := sync.OnceFunc(func() { close(first) })
	for i, k := range kinds {
		own := rand.New(rand.NewPCG(random.Uint64(), uint64(i)))
		writers.Go(func() {
			for n := 0; ; n++ {
				key, state := k.next(own, ledgers[i], fmt.Sprintf("c%d-n%d-%x", cycle, n, own.Uint32()))
				ledgers[i].ask(key, state)
				err := k.write(context.Background(), key, state)
				if err == nil {
					ledgers[i].acknowledge(key, state)
					begun()
					continue
				}
				var refusal *azcore.ResponseError
				if errors.As(err, &refusal) {
					t.Errorf("%T: cycle %d: writing %s: %v", k, cycle, key, err)
				}
				return
			}
		})
	}
	select {
	case <-first:
	case <-time.After(30 * time.Second):
		t.Errorf("cycle %d: no write was acknowledged", cycle)
	}
	time.Sleep(time.Duration(random.Int64N(int64(longest)))) // the moment of the kill, not a wait for anything
	if err := a.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = a.cmd.Wait() // "signal: killed"
	writers.Wait()
}

// killAtStart kills a process somewhere between its start and its first answer:
// what it recovers, it must be able to recover again.
func killAtStart(t *testing.T, state string, random *rand.Rand) {
	t.Helper()
	cmd := exec.Command(aksess(t), "up", "--state", state)
	cmd.Env = cleanEnviron()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Duration(random.Int64N(int64(longest)))) // the moment of the kill
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}
