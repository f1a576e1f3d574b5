package jose

// Unverified is what a token says of itself. Nothing in it may be believed:
// it serves to find the issuer whose keys to ask for, and to name in an error
// message what was presented.
type Unverified struct {
	Header Header
	Claims Claims
}

// PeekUnverified reads a token without checking its signature. It applies the
// same bounds of form and size as [Verify] and fails with ErrMalformed.
func PeekUnverified(token string, policy Policy) (Unverified, error) {
	c, err := parseCompact(token, policy.MaxBytes)
	if err != nil {
		return Unverified{}, err
	}
	payload, err := strictBase64.AppendDecode(nil, c.payload)
	if err != nil {
		return Unverified{}, refuse(ErrMalformed, "payload is not base64url")
	}
	claims, err := ParseClaims(payload)
	if err != nil {
		return Unverified{}, err
	}
	return Unverified{Header: c.header, Claims: claims}, nil
}
