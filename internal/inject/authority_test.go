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
		a, err := newAuthority(serviceNames, now.Add(time.Duration(i)*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		authorities[i] = encodeCertificates(a.certificate)
	}
	old, err := newAuthority(serviceNames, now.Add(-2*authorityLife))
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
