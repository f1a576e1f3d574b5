package azapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
)

func (s *Server) event(r *Request, status int, err error) Event {
	event := Event{
		Time: r.Now, RequestID: r.ID, Method: r.Method, Host: r.Host, Path: r.URL.Path,
		Caller: r.Caller, Origin: r.Origin, Verdict: r.Verdict, Status: status, Err: err,
	}
	if r.Service != nil {
		event.Service = r.Service.Name
	}
	if r.Operation != nil {
		event.Operation, event.Action = r.Operation.Name, r.Operation.Action.name
		event.Scope = r.Scope()
	}
	return event
}

func (s *Server) log(e Event) {
	level := slog.LevelInfo
	switch {
	case errors.Is(e.Err, context.Canceled): // the client is gone, nothing failed
		level = slog.LevelWarn
	case e.Err != nil && e.Status >= http.StatusInternalServerError && e.Status != http.StatusNotImplemented:
		level = slog.LevelError
	case e.Err != nil:
		level = slog.LevelWarn
	}
	if !s.config.Log.Enabled(context.Background(), level) {
		return
	}
	attributes := []slog.Attr{
		slog.String("request", e.RequestID), slog.String("service", e.Service), slog.String("operation", e.Operation),
		slog.String("method", clip(e.Method)), slog.String("host", e.Host), slog.String("path", clip(e.Path)), slog.Int("status", e.Status),
		slog.Duration("took", e.Duration),
	}
	if e.Caller.ObjectID != "" {
		attributes = append(attributes, slog.String("oid", e.Caller.ObjectID), slog.String("appid", e.Caller.AppID))
	}
	if e.Err != nil {
		attributes = append(attributes, slog.String("error", clip(e.Err.Error())))
		if e.Verdict.Nearest != "" {
			attributes = append(attributes, slog.String("nearest", clip(e.Verdict.Nearest)))
		}
	}
	s.config.Log.LogAttrs(context.Background(), level, "served", attributes...)
}

// recorder remembers the status for the log and whether an answer has begun,
// and broken off.
type recorder struct {
	http.ResponseWriter
	status int
	wrote  bool
	broken bool
}

func (w *recorder) WriteHeader(status int) {
	if !w.wrote {
		w.status, w.wrote = status, true
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection's writer.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
