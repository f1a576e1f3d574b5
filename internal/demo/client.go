package demo

import (
	"crypto/tls"
	"net/http"
	"net/url"

	"github.com/aksess/aksess/internal/app"
	"github.com/aksess/aksess/internal/deploy"
)

// newClient talks to the local Azure as a program on this machine does: through
// its proxy, trusting its certificate.
func newClient(a *app.App) (*deploy.Client, error) {
	proxy, err := url.Parse(a.ProxyURL())
	if err != nil {
		return nil, err
	}
	return &deploy.Client{
		HTTP: &http.Client{Transport: &http.Transport{
			Proxy:             http.ProxyURL(proxy),
			TLSClientConfig:   &tls.Config{RootCAs: a.CA().Pool(), MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2: true,
		}},
		TenantID: a.Account.TenantID, ClientID: a.Account.Deployer.ClientID, ClientSecret: a.Account.Deployer.ClientSecret,
	}, nil
}
