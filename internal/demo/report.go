package demo

// Report is what a demo saw, as data.
type Report struct {
	Steps  []Step  `json:"steps"`
	Breaks []Break `json:"breaks"`
	OK     bool    `json:"ok"` // every link held and every break was refused at its link
}

// Step is one link of the chain as it was seen.
type Step struct {
	Name    string         `json:"name"` // inject, issuer, exchange, identity, access, data
	OK      bool           `json:"ok"`
	Summary string         `json:"summary"` // one line
	Seen    map[string]any `json:"seen"`
}

// Break is one way to break the chain and the refusal that it met.
type Break struct {
	Name    string `json:"name"`
	Change  string `json:"change"`  // what was changed
	Refusal string `json:"refusal"` // as the SDK prints it
	Code    string `json:"code"`    // the refusal's code
	Link    string `json:"link"`    // the link of the chain that doctor names
	Explain string `json:"explain"` // what differs
	OK      bool   `json:"ok"`      // refused, at the link where it was broken
	want    string
}
