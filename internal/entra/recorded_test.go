package entra

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestRecordedRequests replays what SDKs were seen to send, byte for byte but
// for the client and the assertion.
func TestRecordedRequests(t *testing.T) {
	tests := []struct{ name, target, body string }{
		{
			name: "go_azidentity_1.15", target: tokenURL,
			body: "claims=%7B%22access_token%22%3A%7B%22xms_cc%22%3A%7B%22values%22%3A%5B%22CP1%22%5D%7D%7D%7D&client_assertion=ASSERTION&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_id=CLIENT&client_info=1&grant_type=client_credentials&scope=https%3A%2F%2Fvault.azure.net%2F.default+openid+offline_access+profile",
		},
		{
			name: "js_identity_4.13", target: tokenURL + "?client-request-id=0a794dbc-6f5b-420d-87e7-98a059c01b87",
			body: "client_id=CLIENT&scope=https%3A%2F%2Fmanagement.azure.com%2F.default&grant_type=client_credentials&x-client-SKU=msal.js.node&x-client-VER=5.6.0&x-client-OS=linux&x-client-CPU=x64&x-ms-lib-capability=retry-after%2C%20h429&x-client-current-telemetry=5%7C771%2C2%2C%2C%2C%7C%2C&x-client-last-telemetry=5%7C0%7C%7C%7C0%2C0&client-request-id=0a794dbc-6f5b-420d-87e7-98a059c01b87&client_assertion=ASSERTION&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer",
		},
		{
			name: "az_2.45", target: tokenURL,
			body: "client_id=CLIENT&grant_type=client_credentials&client_assertion=ASSERTION&client_info=1&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&claims=%7B%22access_token%22%3A+%7B%22xms_cc%22%3A+%7B%22values%22%3A+%5B%22CP1%22%5D%7D%7D%7D&scope=https%3A%2F%2Fmanagement.core.windows.net%2F%2F.default",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := newWorkbench(t, nil)
			body := strings.NewReplacer("CLIENT", b.identity.AppID, "ASSERTION", b.mint(nil)).Replace(test.body)
			request := httptest.NewRequest(http.MethodPost, test.target, strings.NewReader(body))
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
			b.token(b.do(request))
		})
	}
}
