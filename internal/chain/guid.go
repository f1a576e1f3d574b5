package chain

// IsGUID reports whether s is a GUID in the form that Azure writes: 8-4-4-4-12
// hexadecimal digits of either case, no braces.
func IsGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
			continue
		}
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}

// IsDomain reports whether s can be a tenant's domain name: two or more labels
// of letters, digits and inner hyphens, at most 253 bytes.
func IsDomain(s string) bool {
	if len(s) > 253 {
		return false
	}
	labels, length := 0, 0
	for i := 0; i <= len(s); i++ {
		if i == len(s) || s[i] == '.' {
			if length == 0 || length > 63 || s[i-1] == '-' || s[i-length] == '-' {
				return false
			}
			labels, length = labels+1, 0
			continue
		}
		c := s[i]
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
		length++
	}
	return labels >= 2
}
