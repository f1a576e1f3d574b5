package webhook

import (
	"net/http"

	"github.com/aksess/aksess/internal/inject"
)

// withWarner serves inject.WarnPath beside the reviews of new pods, if asked to.
func (p *program) withWarner(reviews http.Handler) http.Handler {
	if !p.opts.warn {
		return reviews
	}
	mux := http.NewServeMux()
	mux.Handle(inject.WarnPath, inject.NewWarner(p.config, p.accounts.Cached(), p.log))
	mux.Handle("/", reviews)
	return mux
}
