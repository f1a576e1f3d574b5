package node

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"
)

// start starts a node's metadata service and a server that passes on to it.
func start(t *testing.T, rules []Rule, machine http.HandlerFunc) (service *Service, address string) {
	t.Helper()
	behind := httptest.NewServer(machine)
	t.Cleanup(behind.Close)
	at, err := netip.ParseAddrPort(behind.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	service = New(at, rules, nil)
	t.Cleanup(service.Close)
	front := httptest.NewUnstartedServer(service)
	front.Config.ErrorLog = log.New(io.Discard, "", 0) // of answers that are cut off
	front.Start()
	t.Cleanup(front.Close)
	return service, front.URL
}

func send(t *testing.T, method, target, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

// TestPasses: the request that the node gets is made anew, its answer is cleaned.
func TestPasses(t *testing.T) {
	var got *http.Request
	service, front := start(t, DefaultRules(), func(w http.ResponseWriter, r *http.Request) {
		got = r
		for name, value := range map[string]string{
			"Content-Type": "application/json", "Server": "IMDS/1", "Set-Cookie": "a=b", "Location": "/x", "Www-Authenticate": "Basic realm=/etc/passwd", "X-Other": "y", "Connection": "Etag", "Etag": "e",
		} {
			w.Header().Set(name, value)
		}
		w.WriteHeader(http.StatusNonAuthoritativeInfo)
		_, _ = io.WriteString(w, `{"compute":{}}`)
	})
	response, body := send(t, http.MethodGet, front+"/metadata/instance/compute?format=json&api-version=2021-02-01&nonce=%2F&nonce=%20&resource=r&API-Version=1&extended=true", "",
		"Metadata", "TRUE", "Accept", "*/*", "User-Agent", "curl/8", "Cookie", "secret", "Authorization", "Bearer x", "Proxy-Authorization", "y",
		"X-Custom", "z", "Accept-Encoding", "gzip", "Keep-Alive", "a", "Te", "trailers", "Upgrade", "h2c", "X-Ms-Client-Request-Id", "id", "If-None-Match", "e", "Connection", "x, if-none-match")
	if body != `{"compute":{}}` || response.StatusCode != http.StatusNonAuthoritativeInfo {
		t.Errorf("got %d %s", response.StatusCode, body)
	}
	if got.RequestURI != "/metadata/instance/compute?api-version=2021-02-01&extended=true&format=json&nonce=%2F&nonce=+" {
		t.Errorf("got %s", got.RequestURI)
	}
	want := http.Header{"Metadata": {"true"}, "Accept": {"*/*"}, "User-Agent": {"curl/8"}, "X-Ms-Client-Request-Id": {"id"}, LoopHeader: {"1"}}
	if fmt.Sprint(got.Header) != fmt.Sprint(want) {
		t.Errorf("got header %v, want %v", got.Header, want)
	}
	response.Header.Del("Date")
	answered := http.Header{"Content-Type": {"application/json"}, "Server": {"IMDS/1"}, "X-Content-Type-Options": {"nosniff"}, "Content-Length": {"14"}}
	if fmt.Sprint(response.Header) != fmt.Sprint(answered) {
		t.Errorf("got header %v, want %v", response.Header, answered)
	}
	if counts := service.Passed(); counts != [6]int64{2: 1} {
		t.Errorf("got %v", counts)
	}
}

// TestDoesNotPass: none of these reaches the node.
func TestDoesNotPass(t *testing.T) {
	_, front := start(t, append(DefaultRules(), Rule{http.MethodPost, "/metadata/scheduledevents"}), func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s reached the node", r.Method, r.RequestURI)
	})
	for name, test := range map[string]struct {
		method, target, body string
		status               int
	}{
		"identity":   {"GET", "/metadata/identity/oauth2/token", "", 404},
		"attested":   {"GET", "/metadata/attested/document", "", 404},
		"root":       {"GET", "/", "", 404},
		"encoded":    {"GET", "/metadata/%69nstance", "", 404},
		"dots":       {"GET", "/metadata/instance/../identity", "", 404},
		"post":       {"POST", "/metadata/instance", "", 404},
		"options":    {"OPTIONS", "/metadata/instance", "", 404},
		"body":       {"GET", "/metadata/instance", "x", 400},
		"query":      {"GET", "/metadata/instance?a=%zz", "", 400},
		"semicolon":  {"GET", "/metadata/instance?a=1;b=2", "", 400},
		"large_body": {"POST", "/metadata/scheduledevents", strings.Repeat("x", maxRequestBody+1), 413},
	} {
		t.Run(name, func(t *testing.T) {
			if response, body := send(t, test.method, front+test.target, test.body); response.StatusCode != test.status || !strings.HasPrefix(body, `{"error":`) {
				t.Errorf("got %d %s, want %d", response.StatusCode, body, test.status)
			}
		})
	}
}

// TestSecondLock: a list that says too much lets no identity pass.
func TestSecondLock(t *testing.T) {
	_, front := start(t, []Rule{{http.MethodGet, "/metadata"}, {http.MethodGet, "/metadata/identity"}}, func(_ http.ResponseWriter, r *http.Request) {
		if r.RequestURI != "/metadata/other" {
			t.Errorf("%s reached the node", r.RequestURI)
		}
	})
	for _, path := range []string{"/metadata/identity", "/metadata/identity/oauth2/token", "/metadata/Identity/info", "/metadata/IDENTITY/"} {
		if response, _ := send(t, http.MethodGet, front+path, ""); response.StatusCode != 404 {
			t.Errorf("%s: got %d", path, response.StatusCode)
		}
	}
	if response, _ := send(t, http.MethodGet, front+"/metadata/other", ""); response.StatusCode != 200 {
		t.Errorf("got %d for what the list lets pass", response.StatusCode)
	}
}

func TestPost(t *testing.T) {
	_, front := start(t, []Rule{{http.MethodPost, "/metadata/scheduledevents"}}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s %d", body, r.Header.Get("Content-Type"), r.ContentLength)
	})
	if _, body := send(t, http.MethodPost, front+"/metadata/scheduledevents?api-version=2020-07-01", `{"StartRequests":[]}`, "Content-Type", "application/json"); body != `{"StartRequests":[]} application/json 20` {
		t.Errorf("got %s", body)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, front+"/metadata/scheduledevents", io.NopCloser(strings.NewReader("chunks")))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if response.Body.Close(); response.StatusCode != 400 {
		t.Errorf("got %d for a body without a length, want 400", response.StatusCode)
	}
}

// TestRedirectsAreNotFollowed, nor passed on: they would lead clients elsewhere.
func TestRedirectsAreNotFollowed(t *testing.T) {
	asked := 0
	_, front := start(t, DefaultRules(), func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.Redirect(w, r, "/metadata/identity/oauth2/token", http.StatusTemporaryRedirect)
	})
	response, body := send(t, http.MethodGet, front+"/metadata/instance", "")
	if response.StatusCode != http.StatusBadGateway || response.Header.Get("Location") != "" || asked != 1 || strings.Contains(body, "href") {
		t.Errorf("got %d %v %s after %d requests", response.StatusCode, response.Header, body, asked)
	}
}

// TestStreams: a piece of the answer arrives while the next is still held back.
func TestStreams(t *testing.T) {
	more := make(chan struct{})
	_, front := start(t, DefaultRules(), func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "first ")
		_ = http.NewResponseController(w).Flush()
		<-more
		_, _ = io.WriteString(w, "second")
	})
	response, err := http.Get(front + "/metadata/instance") //nolint:noctx // ends with its server
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // read only
	piece := make([]byte, len("first "))
	if _, err := io.ReadFull(response.Body, piece); err != nil || string(piece) != "first " {
		t.Fatalf("got %q %v", piece, err)
	}
	close(more)
	if rest, err := io.ReadAll(response.Body); err != nil || string(rest) != "second" {
		t.Errorf("got %q %v", rest, err)
	}
}

// TestBoundOfAnswers: what is longer than the bound is no answer, or one that is
// seen to be cut off.
func TestBoundOfAnswers(t *testing.T) {
	for name, length := range map[string]bool{"with_length": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			_, front := start(t, DefaultRules(), func(w http.ResponseWriter, _ *http.Request) {
				if length {
					w.Header().Set("Content-Length", strconv.Itoa(maxResponseBody+1))
				}
				piece := bytes.Repeat([]byte("x"), 1<<16)
				for range maxResponseBody/len(piece) + 1 {
					if _, err := w.Write(piece); err != nil {
						return
					}
				}
			})
			response, err := http.Get(front + "/metadata/instance") //nolint:noctx // ends with its server
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close() //nolint:errcheck // read only
			n, err := io.Copy(io.Discard, response.Body)
			if length && response.StatusCode != http.StatusBadGateway || !length && (err == nil || n > maxResponseBody+1) {
				t.Errorf("got %d, %d bytes %v", response.StatusCode, n, err)
			}
		})
	}
}

// TestClientLeaves: the node's request ends with the client's.
func TestClientLeaves(t *testing.T) {
	arrived, ended := make(chan struct{}), make(chan struct{})
	_, front := start(t, DefaultRules(), func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		close(ended)
	})
	ctx, leave := context.WithCancel(t.Context())
	go func() { <-arrived; leave() }()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, front+"/metadata/instance", nil)
	if err != nil {
		t.Fatal(err)
	}
	if response, err := http.DefaultClient.Do(request); err == nil {
		response.Body.Close()
		t.Fatal("got an answer")
	}
	<-ended
}

// TestAtOnce: so many requests at the same time and no more.
func TestAtOnce(t *testing.T) {
	arrived, hold := make(chan struct{}, maxAtOnce), make(chan struct{})
	_, front := start(t, DefaultRules(), func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-hold
	})
	answered := make(chan int, maxAtOnce)
	for range maxAtOnce {
		go func() {
			response, err := http.Get(front + "/metadata/instance") //nolint:noctx // ends with its server
			if err != nil {
				answered <- 0
				return
			}
			response.Body.Close() //nolint:errcheck // read only
			answered <- response.StatusCode
		}()
		<-arrived
	}
	if response, _ := send(t, http.MethodGet, front+"/metadata/instance", ""); response.StatusCode != 429 || response.Header.Get("Retry-After") != "1" {
		t.Errorf("got %d, want 429", response.StatusCode)
	}
	close(hold)
	for range maxAtOnce {
		if status := <-answered; status != 200 {
			t.Errorf("got %d", status)
		}
	}
}

// TestNoAnswer: a node that is not there is an answer soon, as JSON.
func TestNoAnswer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddrPort(listener.Addr().String())
	listener.Close() //nolint:errcheck // only its address matters
	service := New(at, DefaultRules(), nil)
	w := httptest.NewRecorder()
	service.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metadata/instance", nil))
	if w.Code != http.StatusBadGateway || !strings.Contains(w.Body.String(), `"error":"unavailable"`) || service.Passed() != [6]int64{1} {
		t.Errorf("got %d %s %v", w.Code, w.Body, service.Passed())
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	w = httptest.NewRecorder()
	service.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metadata/instance", nil).WithContext(ctx))
	if w.Code != http.StatusGatewayTimeout {
		t.Errorf("got %d, want 504", w.Code)
	}
}

// TestAddress: as clients write it, without port 80.
func TestAddress(t *testing.T) {
	for at, want := range map[string]string{"169.254.169.254:80": "169.254.169.254", "[fd00::1]:80": "[fd00::1]", "127.0.0.1:81": "127.0.0.1:81"} {
		if got := New(netip.MustParseAddrPort(at), nil, nil).address; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestNoProxyOfTheEnvironment: it would be told of everything.
func TestNoProxyOfTheEnvironment(t *testing.T) {
	if service := New(netip.MustParseAddrPort("127.0.0.1:80"), nil, nil); service.transport.Proxy != nil {
		t.Error("the transport has a proxy")
	}
}
