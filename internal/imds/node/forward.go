package node

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/aksess/aksess/internal/imds"
)

// Bounds of what passes.
const (
	maxRequestBody  = 64 << 10
	maxResponseBody = 4 << 20
	maxAtOnce       = 16
	// Azure's first answer about scheduled events may take two minutes
	// (https://learn.microsoft.com/azure/virtual-machines/linux/scheduled-events#enabling-and-disabling-scheduled-events).
	within = 150 * time.Second
)

// LoopHeader marks what a proxy of ours sends to a node. A request that has it
// has come back.
const LoopHeader = "X-Aksess-Proxy"

// Service is the metadata service of a node. It is an http.Handler for requests
// whose header [imds.CheckHeader] has let through.
type Service struct {
	rules     []Rule
	address   string
	transport *http.Transport
	slots     chan struct{}
	log       *slog.Logger
	passed    [6]atomic.Int64 // by the first digit of the status
}

// New returns the service at an address, with the rules of what may pass.
func New(address netip.AddrPort, rules []Rule, log *slog.Logger) *Service {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	host := address.String()
	if address.Port() == 80 { // as clients write it
		host = address.Addr().String()
		if address.Addr().Is6() {
			host = "[" + host + "]"
		}
	}
	return &Service{
		rules: rules, address: host, log: log, slots: make(chan struct{}, maxAtOnce),
		transport: &http.Transport{
			Proxy: nil, Protocols: protocols, DisableCompression: true, // never by way of a proxy of the environment
			DialContext:         (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
			MaxConnsPerHost:     maxAtOnce,
			MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second,
			MaxResponseHeaderBytes: 32 << 10,
		},
	}
}

// Passed counts answers of the node by the first digit of their status; index 0
// counts requests that got none.
func (s *Service) Passed() (counts [6]int64) {
	for i := range s.passed {
		counts[i] = s.passed[i].Load()
	}
	return counts
}

// Close lets go of idle connections.
func (s *Service) Close() { s.transport.CloseIdleConnections() }

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := s.serve(w, r); err != nil {
		imds.WriteError(w, err)
	}
}

func (s *Service) serve(w http.ResponseWriter, r *http.Request) *imds.Error {
	out, refusal := s.build(r)
	if refusal != nil {
		return refusal
	}
	// The body has been read; what the server allowed for it does not hold for the answer.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		return &imds.Error{Status: http.StatusTooManyRequests, Code: "too_many_requests", RetryAfter: time.Second}
	}
	ctx, cancel := context.WithTimeout(r.Context(), within)
	defer cancel()
	response, err := s.transport.RoundTrip(out.WithContext(ctx))
	if err != nil {
		s.passed[0].Add(1)
		s.log.WarnContext(ctx, "the node's metadata service does not answer", "path", out.URL.Path, "error", err.Error())
		if errors.Is(err, context.DeadlineExceeded) {
			return unanswered(http.StatusGatewayTimeout)
		}
		return unanswered(http.StatusBadGateway)
	}
	defer response.Body.Close() //nolint:errcheck // read only
	s.passed[min(response.StatusCode/100, 5)].Add(1)
	return s.answer(w, response)
}

func unanswered(status int) *imds.Error {
	return &imds.Error{Status: status, Code: "unavailable", Description: "The metadata service of the node does not answer"}
}

// build makes the request that the node gets.
func (s *Service) build(r *http.Request) (*http.Request, *imds.Error) {
	path := r.URL.Path
	if r.URL.RawPath != "" || !isPlain(path) || IsIdentity(path) || !s.allows(r.Method, path) {
		return nil, imds.NotFound()
	}
	asked, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("The query cannot be read")
	}
	query := url.Values{}
	for _, name := range parameters() {
		if values, ok := asked[name]; ok {
			query[name] = values
		}
	}
	target := url.URL{Scheme: "http", Host: s.address, Path: path, RawQuery: query.Encode()}
	body, refusal := readBody(r)
	if refusal != nil {
		return nil, refusal
	}
	out, err := http.NewRequest(r.Method, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, badRequest("The request cannot be passed on")
	}
	if len(body) == 0 {
		out.Body, out.GetBody = http.NoBody, nil
	}
	copyHeaders(out.Header, r.Header, requestHeaders())
	out.Header.Set("Metadata", "true")
	out.Header.Set(LoopHeader, "1")
	if out.Header.Get("User-Agent") == "" {
		out.Header.Set("User-Agent", "aksess-proxy")
	}
	return out, nil
}

func badRequest(text string) *imds.Error {
	return &imds.Error{Status: http.StatusBadRequest, Code: "invalid_request", Description: text}
}

func (s *Service) allows(method, path string) bool {
	for _, rule := range s.rules {
		if rule.matches(method, path) {
			return true
		}
	}
	return false
}

// readBody reads the body of a POST, which is small and has a length.
func readBody(r *http.Request) ([]byte, *imds.Error) {
	switch {
	case r.Method != http.MethodPost && r.ContentLength != 0, len(r.TransferEncoding) > 0:
		return nil, badRequest("The request has a body, which is not passed on")
	case r.Method != http.MethodPost:
		return nil, nil
	case r.ContentLength > maxRequestBody:
		return nil, &imds.Error{Status: http.StatusRequestEntityTooLarge, Code: "invalid_request", Description: "The body is longer than " + strconv.Itoa(maxRequestBody) + " bytes"}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequestBody))
	if err != nil || int64(len(body)) != r.ContentLength {
		return nil, badRequest("The body ended early")
	}
	return body, nil
}

// answer streams the node's answer. A redirect is not followed and not passed
// on: the metadata service sends none.
func (s *Service) answer(w http.ResponseWriter, response *http.Response) *imds.Error {
	if response.StatusCode/100 == 3 && response.StatusCode != http.StatusNotModified || response.StatusCode < http.StatusOK {
		return unanswered(http.StatusBadGateway)
	}
	if response.ContentLength > maxResponseBody {
		return unanswered(http.StatusBadGateway)
	}
	copyHeaders(w.Header(), response.Header, responseHeaders())
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if response.ContentLength >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(response.ContentLength, 10))
	}
	w.WriteHeader(response.StatusCode)
	n, err := io.Copy(flusher{w}, io.LimitReader(response.Body, maxResponseBody+1))
	if err != nil || n > maxResponseBody {
		panic(http.ErrAbortHandler) // half an answer must not look like a whole one
	}
	return nil
}

// flusher hands on each piece as it comes.
type flusher struct{ w http.ResponseWriter }

func (f flusher) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if err == nil {
		err = http.NewResponseController(f.w).Flush()
	}
	return n, err
}
