package entra

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/jose"
)

// recorder is an http.ResponseWriter that costs next to nothing.
type recorder struct {
	header http.Header
	status int
	size   int
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { r.size += len(p); return len(p), nil }

func benchmark(b *testing.B, handler http.Handler, form func(i int) string, status int) {
	b.Helper()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		request := httptest.NewRequest(http.MethodPost, tokenURL, strings.NewReader(form(i)))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := &recorder{header: http.Header{}}
		handler.ServeHTTP(w, request)
		if w.status != status && w.status != 0 {
			b.Fatalf("got %d, want %d", w.status, status)
		}
		i++
	}
}

// quiet is a workbench whose log is written and thrown away, as a file's would be by the kernel.
func quiet(b *testing.B, reuse bool) *workbench {
	bench := newWorkbench(b, func(o *Options) {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
		if !reuse {
			o.Reuse = -1
		}
	})
	if err := bench.service.Maintain(b.Context()); err != nil {
		b.Fatal(err)
	}
	return bench
}

// BenchmarkExchangeFresh verifies an assertion and signs a token, with all that is around it.
func BenchmarkExchangeFresh(b *testing.B) {
	bench := quiet(b, false)
	body := bench.federated(bench.mint(nil)).Encode()
	benchmark(b, bench.server, func(int) string { return body }, http.StatusOK)
}

// BenchmarkExchangeShared verifies an assertion and reuses a token of a moment ago.
func BenchmarkExchangeShared(b *testing.B) {
	bench := quiet(b, true)
	body := bench.federated(bench.mint(nil)).Encode()
	benchmark(b, bench.server, func(int) string { return body }, http.StatusOK)
}

// BenchmarkExchangeRefused is what a stranger's assertion costs.
func BenchmarkExchangeRefused(b *testing.B) {
	bench := quiet(b, false)
	form := bench.federated(bench.mint(nil))
	form.Set("client_assertion", bench.sign(map[string]any{"iss": "https://stranger.example/", "sub": "s", "aud": "a", "exp": bench.clock.Now().Unix()}))
	body := form.Encode()
	benchmark(b, bench.server, func(int) string { return body }, http.StatusUnauthorized)
}

// BenchmarkExchangeBare is the least that an exchange can do: parse the form,
// verify the assertion, sign, answer. The ratio of Fresh to it is goal P1.
func BenchmarkExchangeBare(b *testing.B) {
	bench := quiet(b, false)
	cluster, err := bench.issuers.SigningKey(b.Context(), bench.cluster.ID)
	if err != nil {
		b.Fatal(err)
	}
	own := parsedKeys()[1].Signer()
	claims := newClaims1(grant{client: bench.identity, resource: resource{audience: "https://vault.azure.net"}}, Token{}, make([]byte, randomBytes))
	header := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"RS256","x5t":"0123456789abcdef0123456789a","kid":"0123456789abcdef0123456789a"}`))
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			b.Error(err)
		}
		form, err := url.ParseQuery(string(raw))
		if err != nil {
			b.Error(err)
		}
		assertion := form.Get("client_assertion")
		dot := strings.LastIndexByte(assertion, '.')
		signature, err := base64.RawURLEncoding.DecodeString(assertion[dot+1:])
		if err != nil {
			b.Error(err)
		}
		digest := sha256.Sum256([]byte(assertion[:dot]))
		if err := rsa.VerifyPKCS1v15(&cluster.Signer().PublicKey, crypto.SHA256, digest[:], signature); err != nil {
			b.Error(err)
		}
		payload, err := json.Marshal(claims)
		if err != nil {
			b.Error(err)
		}
		input := header + "." + base64.RawURLEncoding.EncodeToString(payload)
		digest = sha256.Sum256([]byte(input))
		if signature, err = rsa.SignPKCS1v15(nil, own, crypto.SHA256, digest[:]); err != nil {
			b.Error(err)
		}
		answer, err := json.Marshal(tokenBody{TokenType: "Bearer", ExpiresIn: 1, AccessToken: input + "." + base64.RawURLEncoding.EncodeToString(signature)})
		if err != nil {
			b.Error(err)
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		w.Write(answer) //nolint:errcheck // a recorder
	})
	body := bench.federated(bench.mint(nil)).Encode()
	benchmark(b, handler, func(int) string { return body }, http.StatusOK)
}

// BenchmarkAuthenticate is what a bearer token costs each data plane.
func BenchmarkAuthenticate(b *testing.B) {
	bench := quiet(b, false)
	token, err := bench.service.Issue(b.Context(), bench.identity, "https://vault.azure.net")
	if err != nil {
		b.Fatal(err)
	}
	b.Run("remembered", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := bench.service.Authenticator().Authenticate(b.Context(), token.Value); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("verified", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := bench.service.Authenticator().verify(b.Context(), token.Value); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("signature_alone", func(b *testing.B) {
		keys, err := bench.service.ring.KeySet(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := jose.Verify(token.Value, keys, accessTokenPolicy); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkWorstStranger is the dearest refusal that a caller without any
// credential can provoke: long claims against twenty long credentials (goal
// S6: at most 2 ms).
func BenchmarkWorstStranger(b *testing.B) {
	bench := quiet(b, false)
	filler := strings.Repeat("aB ", 190)
	for i := range 19 {
		bench.trust("long-"+strconv.Itoa(i), bench.cluster.URL, filler+strconv.Itoa(i), "api://AzureADTokenExchange")
	}
	form := bench.federated(bench.sign(map[string]any{
		"iss": bench.cluster.URL, "sub": strings.Repeat("Ab ", 3600), "aud": "a", "exp": bench.clock.Now().Unix(),
	}))
	body := form.Encode()
	benchmark(b, bench.server, func(int) string { return body }, http.StatusUnauthorized)
}
