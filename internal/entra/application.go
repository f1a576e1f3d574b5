package entra

import (
	"context"
	"errors"
	"strings"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/directory"
)

// application is a client that users sign in with.
type application struct {
	id   string
	name string
	// family says that its refresh tokens are good for Azure's other command
	// line tools too: the "family of client ids" 1.
	family bool
	// confidential says that it has credentials, which it then must use. One
	// without is public: it runs where nothing can be kept secret.
	confidential bool
	principal    *directory.Principal // nil for Azure's own
}

// firstParty are Azure's own public clients, which every tenant has. What
// azidentity and azd do without a client id of their own, they do as the CLI.
var firstParty = map[string]application{
	"04b07795-8ddb-461a-bbee-02f9e1bf7b46": {id: "04b07795-8ddb-461a-bbee-02f9e1bf7b46", name: "Microsoft Azure CLI", family: true},
	"1950a258-227b-4e31-a9cf-717495945fc2": {id: "1950a258-227b-4e31-a9cf-717495945fc2", name: "Microsoft Azure PowerShell", family: true},
	"aebc6443-996d-45c2-90f0-388ff96faa56": {id: "aebc6443-996d-45c2-90f0-388ff96faa56", name: "Visual Studio Code", family: true},
	"872cd9fa-d31f-45e0-9eab-6e460a02d1f1": {id: "872cd9fa-d31f-45e0-9eab-6e460a02d1f1", name: "Visual Studio", family: true},
	"14d82eec-204b-4c2f-b7e8-296a70dab67e": {id: "14d82eec-204b-4c2f-b7e8-296a70dab67e", name: "Microsoft Graph Command Line Tools"},
}

// application finds the client of a user's request: one of Azure's own, or an
// application of the tenant. A tenant without an id is not known yet, and has
// no applications of its own.
func (s *TokenService) application(ctx context.Context, tenant directory.Tenant, id string) (application, error) {
	if own, ok := firstParty[strings.ToLower(id)]; ok {
		return own, nil
	}
	if id == zeroGUID {
		return application{}, zeroClient.New(id)
	}
	unknown := unknownClient.New(clip(id), displayName(tenant))
	if !chain.IsGUID(id) || tenant.ID == "" {
		return application{}, unknown
	}
	found, err := s.options.Directory.ByAppID(ctx, tenant.ID, id)
	switch {
	case errors.Is(err, directory.ErrPrincipalNotFound):
		return application{}, unknown
	case err != nil:
		return application{}, err
	case found.Type != directory.TypeApplication:
		return application{}, unknown.Because("a managed identity signs nobody in")
	case found.Disabled:
		return application{}, disabledClient.New(found.AppID, found.DisplayName)
	}
	// Whether there are any is said by the directory itself: credentials that are
	// not known here yet are no reason to ask for none.
	client := application{
		id: found.AppID, name: found.DisplayName, principal: found,
		confidential: len(found.Secrets)+len(found.Certificates)+len(found.Federated) > 0,
	}
	if s.options.Known != nil {
		client.principal = s.options.Known(found)
	}
	return client, nil
}

// userClient finds the client of a request that redeems what a user gave, and
// has it prove itself if it can. It returns the token's appidacr with it.
func (s *TokenService) userClient(x *exchange) (application, method, error) {
	id, err := x.form.require("client_id")
	if err != nil {
		return application{}, "", err
	}
	client, err := s.application(x.Context(), x.tenant, id)
	if err != nil {
		return application{}, "", err
	}
	x.clientID, x.client = client.id, client.principal
	presented := x.form["client_assertion"] != "" || x.form["client_secret"] != ""
	switch {
	case !client.confidential && presented:
		return application{}, "", publicClient.New()
	case !client.confidential:
		return client, byNothing, nil
	case !presented:
		return application{}, "", credentialsMissing.New()
	}
	shown, err := s.authenticate(x)
	return client, shown.method, err
}

// mayUse reports whether the client may use what was issued to another one.
func (a application) mayUse(issuedTo string, toFamily bool) bool {
	return strings.EqualFold(a.id, issuedTo) || a.family && toFamily
}
