package azapi

// wellFormed reports whether a text can be an api-version: a date as
// 2023-07-01 or a number as 7.4, and perhaps a suffix such as -preview.
func wellFormed(version string) bool {
	if len(version) < 3 || len(version) > 48 {
		return false
	}
	rest := version
	for _, pattern := range []string{"0000-00-00", "0.0", "00.0"} {
		if after, ok := cutPattern(version, pattern); ok {
			rest = after
			break
		}
	}
	if len(rest) == len(version) {
		return false
	}
	for i := range len(rest) {
		c := rest[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// cutPattern cuts off a beginning that has a digit for each 0 of the pattern.
func cutPattern(s, pattern string) (rest string, ok bool) {
	if len(s) < len(pattern) {
		return s, false
	}
	for i := range len(pattern) {
		digit := s[i] >= '0' && s[i] <= '9'
		if (pattern[i] == '0') != digit || (pattern[i] != '0' && s[i] != pattern[i]) {
			return s, false
		}
	}
	return s[len(pattern):], true
}
