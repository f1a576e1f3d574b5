package inject

import (
	"bytes"
	"net"
	"testing"
	"time"
)

func TestMergeBundle(t *testing.T) {
	now := newClock().Now()
	authorities := make([][]byte, 20)
	for i := range authorities {
		a, err := newAuthority(servicePolicy, now.Add(time.Duration(i)*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		authorities[i] = encodeCertificates(a.certificate)
	}
	old, err := newAuthority(servicePolicy, now.Add(-2*DefaultLives().Authority))
	if err != nil {
		t.Fatal(err)
	}
	own, other, expired := authorities[0], authorities[1], encodeCertificates(old.certificate)
	tests := map[string]struct{ existing, want []byte }{
		"empty":    {nil, own},
		"same":     {own, own},
		"other":    {other, slicesOf(own, other)},
		"both":     {slicesOf(other, own), slicesOf(own, other)},
		"expired":  {slicesOf(expired, other), slicesOf(own, other)},
		"no_pem":   {[]byte("hello"), own},
		"too_many": {slicesOf(authorities...), slicesOf(append([][]byte{own}, newestFirst(authorities, maxBundle-1)...)...)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := MergeBundle(test.existing, own, now)
			if err != nil || !bytes.Equal(got, test.want) {
				t.Errorf("got %d bytes, %v, want %d", len(got), err, len(test.want))
			}
		})
	}
	if _, err := MergeBundle(nil, []byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"), now); err == nil {
		t.Error("got no error for a bundle that holds a key")
	}
}

func slicesOf(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func newestFirst(all [][]byte, n int) [][]byte {
	var newest [][]byte
	for i := range n {
		newest = append(newest, all[len(all)-1-i])
	}
	return newest
}

func TestSplitHosts(t *testing.T) {
	dns, ips := splitHosts(serviceNames)
	if len(dns) != 2 || len(ips) != 2 || !ips[0].Equal(net.IPv4(127, 0, 0, 1)) {
		t.Errorf("got %v %v", dns, ips)
	}
}

// TestMergeBundleOfAStore: of a store that replicas share, what was rotated out
// goes, and what a replica that is behind does not know yet stays.
func TestMergeBundleOfAStore(t *testing.T) {
	now := newClock().Now()
	made := func(store string, age time.Duration) []byte {
		a, err := newAuthority(policy{names: serviceNames, lives: DefaultLives(), store: store}, now.Add(-age))
		if err != nil {
			t.Fatal(err)
		}
		return encodeCertificates(a.certificate)
	}
	own, sibling := made("secret a/b", time.Hour), made("secret a/b", time.Hour)
	older, newer := made("secret a/b", 2*time.Hour), made("secret a/b", time.Minute)
	foreign, alone := made("secret c/d", 2*time.Hour), made("", 2*time.Hour)
	for name, test := range map[string]struct{ existing, own, want []byte }{
		"older":       {older, own, own},
		"still_own":   {older, slicesOf(own, older), slicesOf(own, older)},
		"newer":       {newer, own, slicesOf(own, newer)},
		"same_age":    {sibling, own, slicesOf(own, sibling)},
		"other_store": {foreign, own, slicesOf(own, foreign)},
		"no_store":    {alone, own, slicesOf(own, alone)},
		"not_ours":    {older, alone, slicesOf(alone, older)},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := MergeBundle(test.existing, test.own, now)
			if err != nil || !bytes.Equal(got, test.want) {
				t.Errorf("got %d bytes, %v, want %d", len(got), err, len(test.want))
			}
			if !Covers(got, test.own) || Covers(nil, test.own) {
				t.Error("a merged bundle covers its own part, and an empty one does not")
			}
		})
	}
}
