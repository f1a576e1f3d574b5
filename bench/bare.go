package main

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

var b64 = base64.RawURLEncoding

// The bare server is the ceiling: net/http and the standard library's crypto,
// one verification and one signature for a token exchange, a look-up for a
// secret. It has no store, no directory, no decisions and no log.

type bareKeys struct{ cluster, service *rsa.PrivateKey }

func sign(k *rsa.PrivateKey, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	out := b64.AppendEncode(nil, []byte(`{"alg":"RS256","kid":"0123456789abcdef0123456789abcdef","typ":"JWT"}`))
	out = b64.AppendEncode(append(out, '.'), payload)
	digest := sha256.Sum256(out)
	signature, err := rsa.SignPKCS1v15(nil, k, crypto.SHA256, digest[:])
	if err != nil {
		return "", err
	}
	return string(b64.AppendEncode(append(out, '.'), signature)), nil
}

func verify(k *rsa.PublicKey, token []byte, claims any) error {
	first, last := bytes.IndexByte(token, '.'), bytes.LastIndexByte(token, '.')
	if first < 0 || last <= first {
		return errors.New("malformed")
	}
	header, err := b64.AppendDecode(nil, token[:first])
	if err != nil {
		return err
	}
	var h struct{ Alg string }
	if json.Unmarshal(header, &h) != nil || h.Alg != "RS256" {
		return errors.New("header")
	}
	signature, err := b64.AppendDecode(nil, token[last+1:])
	if err != nil {
		return err
	}
	digest := sha256.Sum256(token[:last])
	if err := rsa.VerifyPKCS1v15(k, crypto.SHA256, digest[:], signature); err != nil {
		return err
	}
	payload, err := b64.AppendDecode(nil, token[first+1:last])
	if err != nil {
		return err
	}
	return json.Unmarshal(payload, claims)
}

// claimsVariable hands the child the claims of one of our access tokens, so that
// both servers sign and read tokens of the same length.
const claimsVariable = "BENCH_ACCESS_CLAIMS"

func (k bareKeys) handler(access m) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		if r.ParseForm() != nil {
			http.Error(w, "bad form", http.StatusBadRequest)
			return
		}
		var claims struct{ Iss, Sub string }
		if err := verify(&k.cluster.PublicKey, []byte(r.PostForm.Get("client_assertion")), &claims); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		token, err := sign(k.service, access)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer(w, m{"token_type": "Bearer", "expires_in": 86399, "ext_expires_in": 86399, "access_token": token})
	})
	var seen sync.Map // digest of a token → true
	mux.HandleFunc("GET /secret", func(w http.ResponseWriter, r *http.Request) {
		token := []byte(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		digest := sha256.Sum256(token)
		if _, ok := seen.Load(digest); !ok {
			var claims struct{ Exp int64 }
			if err := verify(&k.service.PublicKey, token, &claims); err != nil || claims.Exp < time.Now().Unix() {
				http.Error(w, "unauthorized", http.StatusUnauthorized)
				return
			}
			seen.Store(digest, true)
		}
		answer(w, secret{
			Value: "a-secret-value-of-ordinary-length", ID: "https://kv.example.test/secrets/name/0123456789abcdef0123456789abcdef",
			Attributes: m{"enabled": true, "created": 1700000000, "updated": 1700000000, "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90},
			Tags:       map[string]string{"a": "b"},
		})
	})
	return mux
}

type secret struct {
	Value      string            `json:"value"`
	ID         string            `json:"id"`
	Attributes m                 `json:"attributes"`
	Tags       map[string]string `json:"tags"`
}

func answer(w http.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// serveBare is the child process. It prints its address and what a client has
// to send, and ends with its parent.
func serveBare() {
	fail := func(err error) {
		if err != nil {
			log.Fatal(err)
		}
	}
	var keys bareKeys
	var access m
	err := json.Unmarshal([]byte(os.Getenv(claimsVariable)), &access)
	fail(err)
	keys.cluster, err = rsa.GenerateKey(rand.Reader, 2048)
	fail(err)
	keys.service, err = rsa.GenerateKey(rand.Reader, 2048)
	fail(err)
	now := time.Now().Unix()
	assertion, err := sign(keys.cluster, m{
		"aud": []string{"api://AzureADTokenExchange"}, "iss": "https://oidc.example.test/x/", "sub": "system:serviceaccount:widemo:wi-demo-sa",
		"exp": now + 3600, "iat": now, "nbf": now, "jti": "b0a1d9de-2a6b-4f3e-8f65-0c7d55e1f1aa",
		"kubernetes.io": m{"namespace": "widemo", "serviceaccount": m{"name": "wi-demo-sa", "uid": "a3a2b9a0-8f5d-4f43-8d3c-2e9e7c7e1f00"}},
	})
	fail(err)
	bearer, err := sign(keys.service, access)
	fail(err)
	certificate, err := selfSigned()
	fail(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	fail(err)
	server := &http.Server{
		Handler: keys.handler(access), ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}},
	}
	go func() { log.Fatal(server.ServeTLS(listener, "", "")) }()
	fmt.Println(listener.Addr(), assertion, bearer)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// bare is the running child.
type bare struct {
	cmd               *exec.Cmd
	stdin             io.Closer
	url               string
	assertion, bearer string
}

// startBare starts the child. accessToken is one of ours, for its claims.
func startBare(accessToken string) (*bare, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var claims json.RawMessage
	if err := decode(accessToken, &claims); err != nil {
		return nil, err
	}
	b := &bare{cmd: exec.Command(self, "-serve")}
	b.cmd.Env = append(os.Environ(), "GOMAXPROCS=1", claimsVariable+"="+string(claims))
	b.cmd.Stderr = os.Stderr
	if b.stdin, err = b.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReaderSize(out, 1<<16).ReadString('\n')
	if err != nil {
		b.stop()
		return nil, err
	}
	fields := strings.Fields(line)
	b.url, b.assertion, b.bearer = "https://"+fields[0], fields[1], fields[2]
	return b, nil
}

func (b *bare) stop() {
	_ = b.stdin.Close()
	_ = b.cmd.Process.Kill()
	_ = b.cmd.Wait()
}

// http trusts the child's throw-away certificate: it is our own process on loopback.
func (b *bare) http(conns int) *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		MaxIdleConnsPerHost: conns, MaxConnsPerHost: conns, DisableCompression: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}},
	}}
}
