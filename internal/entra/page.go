package entra

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"html/template"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/fault"
)

//go:embed pages/*.html pages/style.css
var pageFiles embed.FS

// pages are the pages that people see. They need no script, load nothing and
// cannot be framed. Whoever signs in types a password each time: there is no
// session in the browser that another site could ride on.
type pages struct {
	templates *template.Template
	style     template.CSS
	policy    string // the content security policy, up to form-action
	origin    *http.CrossOriginProtection
}

func newPages() *pages {
	style, err := pageFiles.ReadFile("pages/style.css")
	if err != nil {
		panic(err) // it is embedded
	}
	sum := sha256.Sum256(style)
	return &pages{
		templates: template.Must(template.ParseFS(pageFiles, "pages/*.html")),
		style:     template.CSS(style), //nolint:gosec // our own file
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
		origin: http.NewCrossOriginProtection(),
	}
}

// view is what a page shows.
type view struct {
	Style   template.CSS
	Title   string
	Problem string // shown first, read out by screen readers
	Trace   string // of the problem

	Client   string // who asks: name of the application
	ClientID string
	Resource string // what for
	UserName string // prefilled
	UserCode string

	Action string // where a form is sent to; "" is this page
	Fields response
}

// visit is one request of a browser.
type visit struct {
	*http.Request
	w       http.ResponseWriter
	service *TokenService
	id      string
	now     time.Time
	azure   func(text string) string // gives a text that names hosts Azure's names
	caller  access.Principal         // who signed in, for the trail
	verdict access.Verdict
}

// page makes an operation of a page.
func (s *TokenService) page(show func(v *visit, tenant string)) azapi.Handler {
	return func(w http.ResponseWriter, r *azapi.Request) error {
		v := &visit{w: w, Request: r.Request, service: s, id: r.ID, now: r.Now, azure: r.Canonical}
		show(v, r.Param("tenant"))
		r.Caller.Principal, r.Verdict = v.caller, v.verdict
		return nil
	}
}

// DevicePage serves the page of the device code flow for browsers that do not
// use the proxy, at any path. Mount it where only this machine reaches it:
// passwords are typed into it, and the control address has no TLS.
func (s *TokenService) DevicePage() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{w: w, Request: r, service: s, id: s.options.NewID(), now: s.options.Now(), azure: func(text string) string { return text }}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			s.showDevice(v)
		case http.MethodPost:
			s.enterDevice(v)
		default:
			w.Header().Set("Allow", "GET, POST")
			http.Error(w, "this page takes GET and POST", http.StatusMethodNotAllowed)
		}
	})
}

// render writes a page. form is where its forms may lead beside the page itself.
func (v *visit) render(status int, name string, content view, form string) {
	content.Style = v.service.pages.style
	var page strings.Builder
	if err := v.service.pages.templates.ExecuteTemplate(&page, name, content); err != nil {
		v.service.options.Log.Error("rendering a page", "page", name, "error", err)
		http.Error(v.w, "internal error", http.StatusInternalServerError)
		return
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	policy := v.service.pages.policy
	if form != "" {
		policy += " " + form
	}
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	v.w.WriteHeader(status)
	_, _ = io.WriteString(v.w, page.String()) // the browser is gone
}

// form reads a form that was sent from one of our own pages.
func (v *visit) form() (form, error) {
	if err := v.service.pages.origin.Check(v.Request); err != nil {
		return nil, badRequest.New("The form was sent from a page of another site.").With(err)
	}
	body, err := io.ReadAll(http.MaxBytesReader(v.w, v.Body, maxForm))
	if err != nil {
		return nil, badForm.New("The body cannot be read.")
	}
	return parseForm(string(body))
}

// problem words an error for a person, with what is needed to find it in the log.
func (v *visit) problem(err error) (text, trace string, status int) {
	var coded *fault.Error
	if !errors.As(err, &coded) || coded.Kind.Inner == "" {
		v.service.options.Log.Error("serving a page", "request", v.id, "error", err)
		coded = internalError.New()
	}
	v.verdict = access.Verdict{Link: coded.Kind.Link, Nearest: coded.Kind.Code}
	return coded.Kind.Code + ": " + oneLine(coded.Message), v.trace(), coded.Kind.Status
}

func (v *visit) trace() string {
	return "Trace ID: " + v.id + " Timestamp: " + v.now.UTC().Format("2006-01-02 15:04:05Z")
}

// refuse ends with a page that says what is wrong.
func (v *visit) refuse(err error) {
	text, trace, status := v.problem(err)
	v.render(status, "done.html", view{Title: "This sign-in cannot go on", Problem: text, Trace: trace}, "")
}
