package entra

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// startDevice is what az login --use-device-code sends first.
func (b *workbench) startDevice() reply {
	b.t.Helper()
	got := b.post(organizationsURL+"devicecode", url.Values{"client_id": {azCLI}, "scope": {armScope}})
	if got.status != http.StatusOK || got.DeviceCode == "" || len(got.UserCode) != userCodeLength {
		b.t.Fatalf("got %d %s", got.status, got.body)
	}
	return got
}

// poll is what MSAL for Python sends: the code twice, and no scope.
func (b *workbench) poll(code string) reply {
	b.t.Helper()
	return b.post(organizationsURL+"token", url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {azCLI}, "client_info": {"1"},
		"code": {code}, "device_code": {code}, "claims": {`{"access_token": {"xms_cc": {"values": ["CP1"]}}}`},
	})
}

func credentials(code, name, password string) url.Values {
	return url.Values{"user_code": {code}, "username": {name}, "password": {password}, "action": {"accept"}}
}

func TestDeviceCode(t *testing.T) {
	b := newWorkbench(t, nil)
	user := b.user(userName, userPassword)
	started := b.startDevice()
	if !strings.Contains(started.Message, devicePageURL) || !strings.Contains(started.Message, started.UserCode) {
		t.Errorf("got message %q", started.Message)
	}
	wantCode(t, b.poll(started.DeviceCode), "AADSTS70016")

	b.browse(http.MethodGet, devicePageURL, nil).want(t, 200, "Code that your command line or device shows")
	b.browse(http.MethodGet, devicePageURL+"?user_code="+started.UserCode, nil).want(t, 200, started.UserCode)
	b.browse(http.MethodPost, devicePageURL, url.Values{"user_code": {"BBBBBBBBB"}}).want(t, 400, "That code did not work")
	typed := strings.ToLower(started.UserCode[:4]) + " - " + started.UserCode[4:]
	b.browse(http.MethodPost, devicePageURL, url.Values{"user_code": {typed}}).
		want(t, 200, "Microsoft Azure CLI", azCLI, "https://management.core.windows.net/", started.UserCode, "not Microsoft")
	wrong := b.browse(http.MethodPost, devicePageURL, credentials(started.UserCode, userName, "wrong"))
	wrong.want(t, 400, "AADSTS50126", userName, `role="alert"`)
	if strings.Contains(wrong.body, "wrong") {
		t.Error("the page repeats the password")
	}
	b.clock.advance(deviceInterval)
	if got := b.poll(started.DeviceCode); got.Error != authorizationPending || got.status != 400 {
		t.Errorf("got %d %s", got.status, got.body)
	}
	b.browse(http.MethodPost, devicePageURL, credentials(started.UserCode, userName, userPassword)).want(t, 200, "You are signed in")
	if event := b.last.Load(); event.Caller.ObjectID != user.ObjectID || event.Operation != "SubmitDevicePage" {
		t.Errorf("got event %+v, want the user in the trail", event)
	}
	b.browse(http.MethodPost, devicePageURL, credentials(started.UserCode, userName, userPassword)).want(t, 400, "That code did not work")

	got := b.poll(started.DeviceCode)
	wantClaims(t, b.token(got), map[string]any{"oid": user.ObjectID, "appid": azCLI, "aud": "https://management.core.windows.net/", "xms_cc": []string{"CP1"}})
	if got.RefreshToken == "" || got.IDToken == "" || got.ClientInfo == "" || got.Family != "1" {
		t.Errorf("got %s", got.body)
	}
	wantCode(t, b.poll(started.DeviceCode), "AADSTS70018")
}

func TestDeviceCodeEnds(t *testing.T) {
	b := newWorkbench(t, nil)
	b.user(userName, userPassword)

	declined := b.startDevice()
	b.browse(http.MethodPost, devicePageURL, url.Values{"user_code": {declined.UserCode}, "action": {"decline"}}).want(t, 200, "Sign-in refused")
	if got := b.poll(declined.DeviceCode); got.Error != authorizationDeclined {
		t.Errorf("got %s, want %s", got.body, authorizationDeclined)
	}

	fast := b.startDevice()
	b.poll(fast.DeviceCode)
	b.clock.advance(time.Second)
	if got := b.poll(fast.DeviceCode); got.Error != slowDown {
		t.Errorf("got %s, want %s", got.body, slowDown)
	}
	b.clock.advance(deviceInterval)
	if got := b.poll(fast.DeviceCode); got.Error != authorizationPending {
		t.Errorf("got %s, want %s", got.body, authorizationPending)
	}

	old := b.startDevice()
	b.clock.advance(deviceLifetime)
	if got := b.poll(old.DeviceCode); got.Error != expiredToken {
		t.Errorf("got %s, want %s", got.body, expiredToken)
	}
	b.browse(http.MethodPost, devicePageURL, credentials(old.UserCode, userName, userPassword)).want(t, 400, "That code did not work")

	other := b.startDevice()
	wantCode(t, b.post(organizationsURL+"token", url.Values{
		"grant_type": {"device_code"}, "device_code": {other.DeviceCode}, "client_id": {"1950a258-227b-4e31-a9cf-717495945fc2"},
	}), "AADSTS70000")
	wantCode(t, b.post(organizationsURL+"token", url.Values{"grant_type": {"device_code"}, "client_id": {azCLI}}), "AADSTS900144")
	wantCode(t, b.poll("nonsense"), "AADSTS70018")
	wantCode(t, b.post(organizationsURL+"devicecode", url.Values{"scope": {armScope}}), "AADSTS900144")
	wantCode(t, b.post(organizationsURL+"devicecode", url.Values{"client_id": {b.identity.AppID}, "scope": {armScope}}), "AADSTS700016")

	b.clock.advance(2*deviceLifetime + time.Second)
	if err := b.service.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := append(b.documents("entra.device"), b.documents("entra.usercode")...); len(left) > 0 {
		t.Errorf("got %q left, want sign-ins that are over to be forgotten", left)
	}
}

// TestDeviceCodeOldEndpoint: clients of ADAL's days name a resource and read strings.
func TestDeviceCodeOldEndpoint(t *testing.T) {
	b := newWorkbench(t, nil)
	b.user(userName, userPassword)
	base := "https://login.microsoftonline.com/common/oauth2/"
	started := b.post(base+"devicecode", url.Values{"client_id": {azCLI}, "resource": {"https://management.core.windows.net/"}})
	if !strings.Contains(string(started.body), `"expires_in":"900","interval":"5"`) {
		t.Errorf("got %s", started.body)
	}
	b.browse(http.MethodPost, devicePageURL, credentials(started.UserCode, userName, userPassword)).want(t, 200, "You are signed in")
	got := b.post(base+"token", url.Values{
		"grant_type": {"device_code"}, "client_id": {azCLI}, "code": {started.DeviceCode}, "resource": {"https://management.core.windows.net/"},
	})
	wantClaims(t, b.token(got), map[string]any{"aud": "https://management.core.windows.net/", "upn": userName})
	wantClaims(t, b.signedBody(got.IDToken), map[string]any{"ver": "1.0", "upn": userName, "iss": "https://sts.windows.net/" + tenantID + "/"})
	if got.ExpiresIn != "3599" || got.RefreshToken == "" {
		t.Errorf("got %s", got.body)
	}
}

// TestDevicePageWithoutProxy: the same page for a browser that does not use the
// proxy, and a message that leads there.
func TestDevicePageWithoutProxy(t *testing.T) {
	b := newWorkbench(t, func(o *Options) { o.DevicePage = func() string { return "http://127.0.0.1:8443/device" } })
	b.user(userName, userPassword)
	started := b.startDevice()
	if want := "open the page http://127.0.0.1:8443/device and enter the code " + started.UserCode; !strings.Contains(started.Message, want) {
		t.Errorf("got message %q, want %q in it", started.Message, want)
	}
	h := b.service.DevicePage()
	browse(t, h, http.MethodGet, "http://127.0.0.1:8443/device", nil).want(t, 200, "Code that your command line")
	browse(t, h, http.MethodPost, "http://127.0.0.1:8443/device", credentials(started.UserCode, userName, userPassword)).want(t, 200, "You are signed in")
	b.token(b.poll(started.DeviceCode))
	if got := browse(t, h, http.MethodPut, "http://127.0.0.1:8443/device", nil); got.status != http.StatusMethodNotAllowed {
		t.Errorf("PUT: got %d", got.status)
	}
}
