package gateway

import (
	"container/list"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"sync"
	"time"
)

// leafCacheSize bounds the certificates kept. One is about 2 KiB; a scenario
// touches tens of names, a client that invents names evicts its own.
const leafCacheSize = 1024

// leafCache keeps the certificates of the names asked for last, and makes each
// once however many handshakes ask for it at the same time.
//
// All of them have one key, made with the first and never written: the names
// live in one process, so a key for each would cost time and protect nothing.
type leafCache struct {
	now  func() time.Time
	mint func(name string, key *ecdsa.PrivateKey) (*x509.Certificate, error)
	key  func() (*ecdsa.PrivateKey, error)
	max  int

	mu     sync.Mutex
	byName map[string]*list.Element
	recent *list.List // of *leaf, the last used in front
}

type leaf struct {
	name  string
	renew time.Time
	get   func() (*tls.Certificate, error)
}

func newLeafCache(max int, now func() time.Time, mint func(string, *ecdsa.PrivateKey) (*x509.Certificate, error)) *leafCache {
	return &leafCache{
		now:  now,
		mint: mint,
		max:  max,
		key: sync.OnceValues(func() (*ecdsa.PrivateKey, error) {
			return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		}),
		byName: make(map[string]*list.Element),
		recent: list.New(),
	}
}

// get returns the certificate for a name as returned by hostName, or for the
// text of a loopback address. The caller must not change it.
func (c *leafCache) get(name string) (*tls.Certificate, error) {
	entry := c.entry(name)
	cert, err := entry.get()
	if err != nil {
		c.drop(entry)
		return nil, err
	}
	return cert, nil
}

func (c *leafCache) entry(name string) *leaf {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byName[name]; ok {
		if l := e.Value.(*leaf); now.Before(l.renew) {
			c.recent.MoveToFront(e)
			return l
		}
		c.remove(e)
	}
	l := &leaf{
		name:  name,
		renew: now.Add(leafValidity - leafRenewal),
		get:   sync.OnceValues(func() (*tls.Certificate, error) { return c.make(name) }),
	}
	c.byName[name] = c.recent.PushFront(l)
	for c.recent.Len() > c.max {
		c.remove(c.recent.Back())
	}
	return l
}

func (c *leafCache) make(name string) (*tls.Certificate, error) {
	key, err := c.key()
	if err != nil {
		return nil, fmt.Errorf("making the key of the served certificates: %w", err)
	}
	cert, err := c.mint(name, key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}, nil
}

// drop forgets an entry that could not be made, so that the next handshake tries again.
func (c *leafCache) drop(l *leaf) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byName[l.name]; ok && e.Value == l {
		c.remove(e)
	}
}

func (c *leafCache) remove(e *list.Element) {
	delete(c.byName, e.Value.(*leaf).name)
	c.recent.Remove(e)
}
