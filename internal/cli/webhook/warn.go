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
	config := p.reviewing(p.metrics.Warned)
	config.Accounts = p.accounts.Cached()
	mux.Handle(inject.WarnPath, inject.NewWarner(config))
	mux.Handle("/", reviews)
	return mux
}
