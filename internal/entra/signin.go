package entra

import (
	"errors"
	"net/http"

	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/store"
)

// showSignIn serves the authorization endpoint to a browser.
func (s *TokenService) showSignIn(version version) func(*visit, string) {
	return func(v *visit, tenant string) {
		if a := v.authorization(version, tenant); a != nil {
			v.askPassword(a, view{UserName: clip(a.hint)}, http.StatusOK)
		}
	}
}

// submitSignIn takes the form of that page.
func (s *TokenService) submitSignIn(version version) func(*visit, string) {
	return func(v *visit, tenant string) {
		a := v.authorization(version, tenant)
		if a == nil {
			return
		}
		typed, err := v.form()
		if err != nil {
			v.refuse(err)
			return
		}
		if typed["action"] == "decline" {
			v.deliver(a, a.refused(declined.New(), declined.Code+": "+declined.Format+" "+v.trace()))
			return
		}
		user, err := s.signIn(v.Context(), a.tenant, typed["username"], typed["password"])
		if err != nil {
			text, trace, status := v.problem(err)
			v.askPassword(a, view{UserName: clip(typed["username"]), Problem: text, Trace: trace}, status)
			return
		}
		v.signedIn(user, a.client)
		code, err := s.newCode(v.Context(), a, user)
		if err != nil {
			v.refuse(err)
			return
		}
		v.deliver(a, a.granted(code))
	}
}

// parameters reads the request in the address.
func (v *visit) parameters() (form, error) {
	if len(v.URL.RawQuery) > maxAuthorization {
		return nil, badRequest.New("The request is too long.")
	}
	parameters, err := parseForm(v.URL.RawQuery)
	for _, name := range []string{"scope", "resource"} {
		if value := parameters[name]; value != "" {
			parameters[name] = v.azure(value)
		}
	}
	return parameters, err
}

// authorization checks the request in the address; nil means that it was answered.
func (v *visit) authorization(version version, tenant string) *authorization {
	parameters, err := v.parameters()
	if err != nil {
		v.refuse(err)
		return nil
	}
	a, err := v.service.readAuthorization(v.Context(), version, tenant, parameters)
	switch {
	case err == nil:
		return a
	case a == nil:
		v.refuse(err)
	default:
		text, trace, _ := v.problem(err)
		v.deliver(a, a.refused(err, text+" "+trace))
	}
	return nil
}

func (v *visit) signedIn(user *directory.User, client application) {
	v.caller, v.verdict = signedIn(user, client)
}

func (v *visit) askPassword(a *authorization, content view, status int) {
	content.Title = "Sign in to " + a.client.name
	content.Client, content.ClientID, content.Resource = a.client.name, a.client.id, a.asked.resource
	v.render(status, "signin.html", content, a.origin())
}

// deliver brings the response to the redirect URI in the way that was asked for.
func (v *visit) deliver(a *authorization, r response) {
	if a.mode == modeFormPost {
		v.render(http.StatusOK, "post.html", view{Title: "Back to " + a.client.name, Action: a.redirect, Fields: r}, a.origin())
		return
	}
	v.w.Header().Set("Location", a.location(r))
	v.w.WriteHeader(http.StatusSeeOther)
}

// showDevice serves the page where a person enters the code of the device.
func (s *TokenService) showDevice(v *visit) {
	code := ""
	if parameters, err := parseForm(v.URL.RawQuery); err == nil {
		code = normalizeUserCode(parameters["user_code"])
	}
	v.askUserCode(view{UserCode: code}, http.StatusOK)
}

func (v *visit) askUserCode(content view, status int) {
	content.Title = "Sign in on another device"
	v.render(status, "device.html", content, "")
}

// enterDevice takes the form of that page, and then that of the sign-in for the device.
func (s *TokenService) enterDevice(v *visit) {
	typed, err := v.form()
	if err != nil {
		v.refuse(err)
		return
	}
	item, err := s.waitingDevice(v.Context(), typed["user_code"])
	if err != nil {
		v.noDevice(err)
		return
	}
	tenant, client, err := s.clientOf(v, item.Value)
	if err != nil {
		v.refuse(err)
		return
	}
	switch typed["action"] {
	case "decline":
		v.settle(item, nil, view{Title: "Sign-in refused", Client: client.name})
	case "accept":
		user, err := s.signIn(v.Context(), tenant, typed["username"], typed["password"])
		if err != nil {
			text, trace, status := v.problem(err)
			v.askDevicePassword(item.Value, client, view{UserName: clip(typed["username"]), Problem: text, Trace: trace}, status)
			return
		}
		v.signedIn(user, client)
		v.settle(item, user, view{Title: "You are signed in", Client: client.name})
	default:
		v.askDevicePassword(item.Value, client, view{}, http.StatusOK)
	}
}

// clientOf finds tenant and application of a device again: either may be gone.
func (s *TokenService) clientOf(v *visit, d device) (tenant directory.Tenant, client application, err error) {
	if d.TenantID != "" {
		if tenant, err = s.tenant(v.Context(), d.TenantID); err != nil {
			return tenant, client, err
		}
	}
	client, err = s.application(v.Context(), tenant, d.ClientID)
	return tenant, client, err
}

func (v *visit) noDevice(err error) {
	if !errors.Is(err, errNoDevice) {
		v.refuse(err)
		return
	}
	v.askUserCode(view{Problem: "That code did not work. Check it, or start again on the device: a code is good for 15 minutes and once.", Trace: v.trace()}, http.StatusBadRequest)
}

func (v *visit) askDevicePassword(d device, client application, content view, status int) {
	asked, err := parseWish(d.Scope)
	if err != nil {
		v.refuse(err) // it was read when it was kept
		return
	}
	content.Title = "Sign in to " + client.name
	content.Client, content.ClientID, content.Resource, content.UserCode = client.name, client.id, asked.resource, d.UserCode
	v.render(status, "signin.html", content, "")
}

func (v *visit) settle(item store.Item[device], user *directory.User, content view) {
	if err := v.service.settle(v.Context(), item, user); err != nil {
		v.noDevice(err)
		return
	}
	v.render(http.StatusOK, "done.html", content, "")
}

// showLogout serves the page that clients open after they forgot their tokens.
// The browser keeps nothing of a sign-in, so there is nothing to end.
func (s *TokenService) showLogout(v *visit, _ string) {
	v.render(http.StatusOK, "done.html", view{Title: "You signed out"}, "")
}
