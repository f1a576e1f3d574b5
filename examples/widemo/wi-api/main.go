// Command wi-api is the reference scenario's application: it needs settings,
// secrets, a blob container and a queue, and holds no connection string, key or
// password. It uses Azure's SDKs and nothing else; that it may read what it
// reads is decided by the identity of the service account it runs as.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	once := flag.Bool("once", false, "read everything once, print it as JSON and end: 0 when all of it was readable, else 1")
	flag.Parse()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if *once {
		err = runOnce(ctx)
	} else {
		err = serve(ctx, log)
	}
	if err != nil {
		log.Error("wi-api ends", "error", err.Error())
		os.Exit(1)
	}
}

func open() (*services, error) {
	config, err := readConfig(os.Getenv("CH_WIDEMO_CONFIG"))
	if err != nil {
		return nil, err
	}
	return connect(config)
}

// report is what -once prints: what was read, or why not.
type report struct {
	Settings *answer `json:"settings"`
	Blobs    *answer `json:"blobs"`
	Messages *answer `json:"messages"`
}

type answer struct {
	Data  any    `json:"data,omitempty"`
	Error string `json:"error,omitempty"`
}

func answerOf(data any, err error) *answer {
	if err != nil {
		return &answer{Error: err.Error()}
	}
	return &answer{Data: data}
}

func runOnce(ctx context.Context) error {
	s, err := open()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	settings, settingsErr := s.settings(ctx)
	blobs, blobsErr := s.blobs(ctx)
	messages, messagesErr := s.messages(ctx)
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(report{answerOf(settings, settingsErr), answerOf(blobs, blobsErr), answerOf(messages, messagesErr)}); err != nil {
		return err
	}
	if errors.Join(settingsErr, blobsErr, messagesErr) != nil {
		return errors.New("not everything was readable; standard output says what")
	}
	return nil
}

func serve(ctx context.Context, log *slog.Logger) error {
	s, err := open()
	if err != nil {
		return err
	}
	address, err := listenAddress(os.Getenv("LISTEN_URLS"))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: routes(s, log), ReadHeaderTimeout: 5 * time.Second}
	log.Info("wi-api serves", "address", listener.Addr().String())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return server.Shutdown(ctx)
	}
}

// listenAddress reads LISTEN_URLS as the manifests write it: "http://+:80".
func listenAddress(text string) (string, error) {
	if text == "" {
		return ":8080", nil
	}
	first, _, _ := strings.Cut(text, ";")
	parsed, err := url.Parse(strings.Replace(first, "+", "0.0.0.0", 1))
	if err != nil || parsed.Scheme != "http" || parsed.Host == "" {
		return "", fmt.Errorf("LISTEN_URLS %q is not of the form http://HOST:PORT", text)
	}
	return parsed.Host, nil
}

func routes(s *services, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	handle := func(path string, read func(context.Context) (any, error)) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second)
			defer cancel()
			data, err := read(ctx)
			status := http.StatusOK
			if err != nil {
				log.Warn("reading", "path", path, "error", err.Error())
				status = http.StatusBadGateway
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(answerOf(data, err)) // the client may be gone
		})
	}
	handle("/api/health", s.health)
	handle("/api/settings", s.settings)
	handle("/api/blobs", s.blobs)
	handle("/api/messages", s.messages)
	return mux
}
