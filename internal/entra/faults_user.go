package entra

import (
	"net/http"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/fault"
)

// The fields "error" of the flows that users take part in: RFC 6749, section
// 4.1.2.1, RFC 8628, section 3.5, OpenID Connect Core, section 3.1.2.6, and
// Entra's own.
const (
	invalidGrant            = "invalid_grant"
	accessDenied            = "access_denied"
	interactionRequired     = "interaction_required"
	unsupportedResponseType = "unsupported_response_type"
	authorizationPending    = "authorization_pending"
	authorizationDeclined   = "authorization_declined"
	badVerificationCode     = "bad_verification_code"
	expiredToken            = "expired_token"
	slowDown                = "slow_down"
)

// Faults of users.
var (
	unknownUser = &fault.Kind{
		Code: "AADSTS50034", Inner: invalidGrant, Status: http.StatusBadRequest,
		Format: "The user account {EUII Hidden} does not exist in the %s directory. To sign into this application, the account must be added to the directory.",
		Link:   chain.LinkManagedIdentity,
		Why:    "no user of the tenant has this name, or its domain is no tenant's",
		Fix:    "make the user: az ad user create, or POST to https://graph.microsoft.com/v1.0/users",
	}
	wrongPassword = &fault.Kind{
		Code: "AADSTS50126", Inner: invalidGrant, Status: http.StatusBadRequest,
		Format: "Error validating credentials due to invalid username or password.",
		Link:   chain.LinkManagedIdentity,
		Why:    "the user has another password, or none at all",
		Fix:    "set a password: az ad user update --id NAME --password",
	}
	disabledUser = &fault.Kind{
		Code: "AADSTS50057", Inner: invalidGrant, Status: http.StatusBadRequest,
		Format: "The user account is disabled.",
		Link:   chain.LinkManagedIdentity,
		Why:    "accountEnabled of the user is false",
		Fix:    "enable it: az ad user update --id NAME --account-enabled true",
	}
	lockedUser = &fault.Kind{
		Code: "AADSTS50053", Inner: invalidGrant, Status: http.StatusBadRequest,
		Format: "The account is locked, you've tried to sign in too many times with an incorrect user ID or password.",
		Link:   chain.LinkManagedIdentity,
		Why:    "ten wrong passwords in a row lock an account for a minute",
		Fix:    "wait a minute",
	}
	signInRequired = &fault.Kind{
		Code: "AADSTS50058", Inner: interactionRequired, Status: http.StatusBadRequest,
		Format: "A silent sign-in request was sent but no user is signed in.",
		Why:    "prompt=none asks for a sign-in that an earlier one made unnecessary, and no browser stays signed in here",
		Fix:    "leave prompt out",
	}
	declined = &fault.Kind{
		Code: "AADSTS65004", Inner: accessDenied, Status: http.StatusBadRequest,
		Format: "User declined to consent to access the app.",
		Why:    "the person at the sign-in page chose Cancel",
		Fix:    "sign in again",
	}
)

// Faults of the clients that users sign in with.
var (
	credentialsMissing = &fault.Kind{
		Code: "AADSTS7000218", Inner: invalidClient, Status: http.StatusUnauthorized,
		Format: "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
		Link:   chain.LinkManagedIdentity,
		Why:    "the application has credentials, so it must prove itself also when a user signs in",
		Fix:    "send the secret, or use an application without credentials",
	}
	publicClient = &fault.Kind{
		Code: "AADSTS700025", Inner: invalidClient, Status: http.StatusUnauthorized,
		Format: "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
		Link:   chain.LinkManagedIdentity,
		Why:    "an application that runs on people's machines has no secrets",
		Fix:    "leave the secret out",
	}
	badRedirect = &fault.Kind{
		Code: "AADSTS50011", Inner: invalidRequest, Status: http.StatusBadRequest,
		Format: "The redirect URI '%s' specified in the request does not match the redirect URIs configured for the application '%s'. Make sure the redirect URI sent in the request matches one added to your application in the Azure portal. Navigate to https://aka.ms/redirectUriMismatchError to learn more about how to troubleshoot this issue.",
		Link:   chain.LinkManagedIdentity,
		Why:    "codes are sent to a loopback address of this machine only",
		Fix:    "use http://localhost with any port and path",
	}
	badResponseType = &fault.Kind{
		Code: "AADSTS700051", Inner: unsupportedResponseType, Status: http.StatusBadRequest,
		Format: "response_type '%s' is not enabled for the application.",
		Why:    "code is the only response type: tokens do not travel through addresses",
		Fix:    "use response_type=code with PKCE",
	}
	challengeMissing = &fault.Kind{
		Code: "AADSTS9002325", Inner: invalidRequest, Status: http.StatusBadRequest,
		Format: "Proof Key for Code Exchange is required for cross-origin authorization code redemption.",
		Why:    "a code without an S256 challenge could be redeemed by whoever sees it (RFC 9700, section 2.1.1)",
		Fix:    "send code_challenge and code_challenge_method=S256, as every MSAL does",
	}
)

// Faults of what a user's client redeems.
var (
	badGrant = &fault.Kind{
		Code: "AADSTS70000", Inner: invalidGrant, Status: http.StatusBadRequest,
		Format: "The provided value for the '%s' parameter is not valid.",
		Why:    "it was never issued here, was issued to another client or tenant, or is long forgotten",
		Fix:    "sign in again",
	}
	expiredCode = &fault.Kind{
		Code: "AADSTS70008", Inner: invalidGrant, Status: http.StatusBadRequest,
		Format: "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource.",
		Why:    "a code is good for ten minutes",
		Fix:    "sign in again",
	}
	redeemedCode = &fault.Kind{
		Code: "AADSTS54005", Inner: invalidGrant, Status: http.StatusBadRequest,
		Format: "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.",
		Why:    "a code is good for one redemption; what the first one gave is revoked",
		Fix:    "sign in again",
	}
	wrongVerifier = &fault.Kind{
		Code: "AADSTS501481", Inner: invalidGrant, Status: http.StatusBadRequest,
		Format: "The Code_Verifier does not match the code_challenge supplied in the authorization request.",
		Why:    "whoever redeems the code is not who asked for it",
		Fix:    "send the verifier of this request",
	}
	idleToken = &fault.Kind{
		Code: "AADSTS700082", Inner: invalidGrant, Status: http.StatusBadRequest,
		Format: "The refresh token has expired due to inactivity. The token was issued on %s and was inactive for %s.",
		Why:    "a refresh token that is not used for 90 days ends",
		Fix:    "sign in again: az login",
	}
	revokedToken = &fault.Kind{
		Code: "AADSTS50173", Inner: invalidGrant, Status: http.StatusBadRequest,
		Format: "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password. The grant was issued on '%s'.",
		Why:    "the user's password is not the one that was used to sign in",
		Fix:    "sign in again: az login",
	}
)

// Faults of the device code flow (RFC 8628, section 3.5).
var (
	devicePending = &fault.Kind{
		Code: "AADSTS70016", Inner: authorizationPending, Status: http.StatusBadRequest,
		Format: "OAuth 2.0 device flow error. Authorization is pending. Continue polling.",
		Why:    "nobody has entered the code yet",
		Fix:    "open the page, enter the code and sign in",
	}
	deviceTooFast = &fault.Kind{
		Code: "AADSTS70016", Inner: slowDown, Name: "too-fast", Status: http.StatusBadRequest,
		Format: "OAuth 2.0 device flow error. Authorization is pending. Polling is faster than the interval.",
		Why:    "the client polls at less than half of the interval that it was told; number and text are ours",
		Fix:    "wait for interval seconds between two polls",
	}
	deviceDeclined = &fault.Kind{
		Code: "AADSTS65004", Inner: authorizationDeclined, Name: "device", Status: http.StatusBadRequest,
		Format: "User declined to consent to access the app.",
		Why:    "the person at the sign-in page chose Cancel; the number that Entra sends here is not public",
		Fix:    "start again",
	}
	deviceExpired = &fault.Kind{
		Code: "AADSTS70020", Inner: expiredToken, Status: http.StatusBadRequest,
		Format: "The provided value for the input parameter 'device_code' is not valid. This device code has expired.",
		Why:    "a device code is good for 15 minutes",
		Fix:    "start again",
	}
	deviceUnknown = &fault.Kind{
		Code: "AADSTS70018", Inner: badVerificationCode, Status: http.StatusBadRequest,
		Format: "The provided value for the input parameter 'device_code' is not valid. Bad verification code.",
		Why:    "no sign-in is under way with this code, or it has ended; the text is ours",
		Fix:    "start again",
	}
)
