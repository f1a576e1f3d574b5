package entra

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/store"
)

const (
	deviceLifetime = 15 * time.Minute
	deviceInterval = 5 * time.Second

	// userCodeLetters cannot spell a word and look different from each other (RFC 8628, section 6.1).
	userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeLength  = 9
)

// devicePage is where the code is entered, through the proxy.
const devicePage = authority + "/device"

// States of a sign-in on another device.
const (
	devicePendingState  = ""
	deviceApprovedState = "approved"
	deviceDeclinedState = "declined"
)

// device is a sign-in that a client without a browser waits for.
type device struct {
	ClientID string    `json:"clientId"`
	TenantID string    `json:"tenantId,omitempty"` // "" until the user's name tells
	UserCode string    `json:"userCode"`
	Scope    string    `json:"scope"`
	Expires  time.Time `json:"expires"`
	Polled   time.Time `json:"polled"`
	State    string    `json:"state,omitempty"`
	UserID   string    `json:"userId,omitempty"`
}

// userCode leads from the code that a person types to the device.
type userCode struct {
	Device  string    `json:"device"`
	Expires time.Time `json:"expires"`
}

// deviceBody is the answer of the v2 endpoint (RFC 8628, section 3.2).
type deviceBody struct {
	UserCode        string `json:"user_code"`
	DeviceCode      string `json:"device_code"`
	VerificationURI string `json:"verification_uri"`
	ExpiresIn       int    `json:"expires_in"`
	Interval        int    `json:"interval"`
	Message         string `json:"message"`
}

// deviceBody1 is the answer of the v1 endpoint.
type deviceBody1 struct {
	UserCode        string `json:"user_code"`
	DeviceCode      string `json:"device_code"`
	VerificationURL string `json:"verification_url"`
	ExpiresIn       string `json:"expires_in"`
	Interval        string `json:"interval"`
	Message         string `json:"message"`
}

// startDevice begins a sign-in on another device
// (https://learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code).
func (s *TokenService) startDevice(v version) azapi.Handler {
	return func(w http.ResponseWriter, r *azapi.Request) (err error) {
		x := &exchange{Request: r, version: v}
		if x.form, err = readForm(r); err != nil {
			return err
		}
		if x.tenant, err = s.anyTenant(r.Context(), r.Param("tenant")); err != nil {
			return err
		}
		id, err := x.form.require("client_id")
		if err != nil {
			return err
		}
		client, err := s.application(r.Context(), x.tenant, id)
		if err != nil {
			return err
		}
		asked, err := x.wish("")
		if err != nil {
			return err
		}
		waiting := device{ClientID: client.id, TenantID: x.tenant.ID, Scope: asked.scope(), Expires: r.Now.Add(deviceLifetime)}
		code, err := s.keepDevice(r.Context(), &waiting)
		if err != nil {
			return err
		}
		return s.writeDevice(w, x, waiting.UserCode, code)
	}
}

// keepDevice stores the device under a new code, with a new user code.
func (s *TokenService) keepDevice(ctx context.Context, d *device) (code string, err error) {
	if code, err = s.secret(); err != nil {
		return "", err
	}
	for try := 0; ; try++ {
		if d.UserCode, err = s.newUserCode(); err != nil {
			return "", err
		}
		byCode, err := s.devices.PutOp(secretKey(code), *d, store.Absent())
		if err != nil {
			return "", err
		}
		byUserCode, err := s.userCodes.PutOp(d.UserCode, userCode{Device: secretKey(code), Expires: d.Expires}, store.Absent())
		if err != nil {
			return "", err
		}
		_, err = s.options.Store.Apply(ctx, byCode, byUserCode)
		if !errors.Is(err, store.ErrConflict) || try == 3 {
			return code, err
		}
	}
}

// newUserCode draws letters of which each is equally likely.
func (s *TokenService) newUserCode() (string, error) {
	code := make([]byte, 0, userCodeLength)
	var random [2 * userCodeLength]byte
	for {
		if _, err := io.ReadFull(s.options.Random, random[:]); err != nil {
			return "", err
		}
		for _, b := range random {
			if int(b) >= 256-256%len(userCodeLetters) {
				continue
			}
			if code = append(code, userCodeLetters[int(b)%len(userCodeLetters)]); len(code) == userCodeLength {
				return string(code), nil
			}
		}
	}
}

func (s *TokenService) writeDevice(w http.ResponseWriter, x *exchange, userCode, code string) error {
	page, beside := devicePage, ""
	if plain := s.plainDevicePage(); plain != "" {
		// A browser that does not use the proxy would meet the real Entra at devicePage.
		page, beside = plain, " (The same page for a browser that uses the proxy: "+devicePage+")"
	}
	message := "To sign in, use a web browser to open the page " + page + " and enter the code " + userCode + " to authenticate." + beside
	seconds, interval := int(deviceLifetime/time.Second), int(deviceInterval/time.Second)
	if x.version == version2 {
		return azapi.WriteJSON(w, http.StatusOK, deviceBody{
			UserCode: userCode, DeviceCode: code, VerificationURI: devicePage, ExpiresIn: seconds, Interval: interval, Message: message,
		})
	}
	return azapi.WriteJSON(w, http.StatusOK, deviceBody1{
		UserCode: userCode, DeviceCode: code, VerificationURL: devicePage,
		ExpiresIn: strconv.Itoa(seconds), Interval: strconv.Itoa(interval), Message: message,
	})
}

func (s *TokenService) plainDevicePage() string {
	if s.options.DevicePage == nil {
		return ""
	}
	return s.options.DevicePage()
}

// pollDevice serves the device code grant: the client asks until the user has
// signed in. MSAL for Python sends the code as both code and device_code, v1
// clients as code only.
func (s *TokenService) pollDevice(w http.ResponseWriter, x *exchange) error {
	code := x.form["device_code"]
	if code == "" {
		code = x.form["code"]
	}
	if code == "" {
		return missingParameter.New("device_code")
	}
	key := secretKey(code)
	item, err := s.devices.Get(x.Context(), key)
	if errors.Is(err, store.ErrNotFound) {
		return deviceUnknown.New()
	}
	if err != nil {
		return err
	}
	d := item.Value
	if x.tenant.ID == "" && d.TenantID != "" {
		if x.tenant, err = s.tenant(x.Context(), d.TenantID); err != nil {
			return err
		}
	}
	client, shown, err := s.userClient(x)
	if err != nil {
		return err
	}
	if client.id != d.ClientID || d.TenantID != "" && d.TenantID != x.tenant.ID {
		return badGrant.New("device_code").Because("it was issued to client " + d.ClientID + " in tenant " + d.TenantID)
	}
	switch {
	case d.State == deviceDeclinedState:
		return deviceDeclined.New()
	case !x.Now.Before(d.Expires):
		return deviceExpired.New()
	case d.State == devicePendingState:
		return s.stillPending(x, item)
	}
	return s.finishDevice(w, x, item, admission{client: client, shown: shown})
}

// stillPending notes the poll, and slows a client down that polls too fast.
func (s *TokenService) stillPending(x *exchange, item store.Item[device]) error {
	last := item.Value.Polled
	item.Value.Polled = x.Now
	if _, err := s.devices.Put(x.Context(), item.Key, item.Value, store.At(item.Version)); err != nil && !errors.Is(err, store.ErrConflict) {
		return err // a conflict: the user signed in at this moment, and the next poll sees it
	}
	if x.Now.Sub(last) < deviceInterval/2 {
		return deviceTooFast.New()
	}
	return devicePending.New()
}

// finishDevice ends the wait: the code is good once.
func (s *TokenService) finishDevice(w http.ResponseWriter, x *exchange, item store.Item[device], a admission) (err error) {
	if a.asked, err = x.wish(item.Value.Scope); err != nil {
		return err
	}
	if a.user, err = s.enabledUser(x.Context(), x.tenant, item.Value.UserID); err != nil {
		return err
	}
	_, err = s.options.Store.Apply(x.Context(), s.devices.DeleteOp(item.Key, store.At(item.Version)), s.userCodes.DeleteOp(item.Value.UserCode, store.Always()))
	if errors.Is(err, store.ErrConflict) {
		return deviceUnknown.New()
	}
	if err != nil {
		return err
	}
	a.from = s.newSession(a.user, a.client, a.asked)
	return s.answer(w, x, a)
}

// errNoDevice is a user code that leads nowhere.
var errNoDevice = errors.New("no sign-in waits for this code")

// waitingDevice finds the sign-in that a person's code belongs to, if it still waits.
func (s *TokenService) waitingDevice(ctx context.Context, typed string) (store.Item[device], error) {
	code := normalizeUserCode(typed)
	if code == "" {
		return store.Item[device]{}, errNoDevice
	}
	index, err := s.userCodes.Get(ctx, code)
	if errors.Is(err, store.ErrNotFound) {
		return store.Item[device]{}, errNoDevice
	}
	if err != nil {
		return store.Item[device]{}, err
	}
	item, err := s.devices.Get(ctx, index.Value.Device)
	if errors.Is(err, store.ErrNotFound) {
		return item, errNoDevice
	}
	if err == nil && (item.Value.State != devicePendingState || !s.options.Now().Before(item.Value.Expires)) {
		return item, errNoDevice
	}
	return item, err
}

// normalizeUserCode undoes what people do to a code; "" is none.
func normalizeUserCode(typed string) string {
	if len(typed) > 64 {
		return ""
	}
	code := strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '\t' {
			return -1
		}
		return r
	}, strings.ToUpper(typed))
	if len(code) != userCodeLength || strings.Trim(code, userCodeLetters) != "" {
		return ""
	}
	return code
}

// settle ends the person's part: the sign-in by the user, or nil for a refusal.
func (s *TokenService) settle(ctx context.Context, item store.Item[device], user *directory.User) error {
	_, err := s.devices.Update(ctx, item.Key, func(d *device, exists bool) error {
		if !exists || d.State != devicePendingState {
			return errNoDevice // somebody else was faster
		}
		d.State = deviceDeclinedState
		if user != nil {
			d.State, d.UserID, d.TenantID = deviceApprovedState, user.ObjectID, user.TenantID
		}
		return nil
	})
	return err
}
