package inject

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the expected outcomes in testdata")

// goldenCase is testdata/NAME.in.json.
type goldenCase struct {
	About        string            `json:"about"`
	Annotations  map[string]string `json:"serviceAccountAnnotations"`
	Config       Config            `json:"config"`
	LocalAzureCA string            `json:"localAzureCA"`
	Pod          json.RawMessage   `json:"pod"`
}

// goldenOutcome is testdata/NAME.out.json.
type goldenOutcome struct {
	Denied     string          `json:"denied,omitempty"`
	Status     int             `json:"status,omitempty"`
	Skipped    string          `json:"skipped,omitempty"`
	Summary    string          `json:"summary,omitempty"`
	Token      *Token          `json:"token,omitempty"`
	Warnings   []string        `json:"warnings,omitempty"`
	Operations []string        `json:"operations,omitempty"`
	Pod        json.RawMessage `json:"pod,omitempty"`
}

func readGolden(t testing.TB, file string) goldenCase {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := goldenCase{Config: Config{TenantID: "22222222-2222-2222-2222-222222222222"}}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if c.LocalAzureCA != "" {
		c.Config.LocalAzure.CA = []byte(c.LocalAzureCA)
	}
	return c
}

func (c goldenCase) account() ServiceAccount {
	return ServiceAccount{Namespace: "widemo", Name: "wi-demo-sa", Annotations: c.Annotations}
}

func TestMutateGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.in.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".in.json"), func(t *testing.T) {
			testGolden(t, readGolden(t, file), strings.Replace(file, ".in.json", ".out.json", 1))
		})
	}
}

func testGolden(t *testing.T, c goldenCase, wantFile string) {
	result, err := Mutate(c.Pod, c.account(), c.Config)
	var outcome goldenOutcome
	var denied *Denied
	switch {
	case errors.As(err, &denied):
		outcome = goldenOutcome{Denied: denied.Message, Status: denied.Status()}
	case err != nil:
		t.Fatal(err)
	default:
		outcome = outcomeOf(t, c, result)
	}
	got, err := marshalGolden(outcome)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(wantFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(wantFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s\ngot %s, want %s", c.About, got, want)
	}
}

// outcomeOf applies the patch and checks what holds for every patch.
func outcomeOf(t *testing.T, c goldenCase, result Result) goldenOutcome {
	t.Helper()
	outcome := goldenOutcome{Skipped: result.Skipped, Summary: result.Summary.String(), Warnings: result.Warnings}
	if result.Token != (Token{}) {
		outcome.Token = &result.Token
	}
	for _, op := range result.Patch {
		if op.Op != "add" && op.Op != "replace" {
			t.Errorf("got operation %s %s, want add or replace only", op.Op, op.Path)
		}
		outcome.Operations = append(outcome.Operations, op.Op+" "+op.Path)
	}
	for _, warning := range result.Warnings {
		if len(warning) > 256 {
			t.Errorf("got a warning of %d bytes, want at most 256: %s", len(warning), warning)
		}
	}
	if len(result.Patch) == 0 {
		return outcome
	}
	outcome.Pod = apply(t, c.Pod, result.Patch)
	again, err := Mutate(outcome.Pod, c.account(), c.Config)
	if err != nil || len(again.Patch) != 0 || again.Summary != (Summary{}) {
		t.Errorf("second admission: got %s, %v, want nothing to do", AppendPatch(nil, again.Patch), err)
	}
	return outcome
}

// marshalGolden keeps < and > readable.
func marshalGolden(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(v)
	return out.Bytes(), err
}
