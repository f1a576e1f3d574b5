package inject

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// slowReview is what encoding/json reads.
func slowReview(body []byte) (*review, error) {
	r := new(review)
	return r, json.Unmarshal(body, r)
}

// checkCursor compares the two, and reports whether the cursor read anything.
func checkCursor(t *testing.T, body []byte) bool {
	t.Helper()
	fast := readReview(body)
	if fast == nil {
		return false
	}
	slow, err := slowReview(body)
	if err != nil || !reflect.DeepEqual(fast, slow) {
		t.Errorf("%s\ngot %+v, want %+v, %v", body, fast, slow, err)
	}
	return true
}

// TestCursorReadsWhatAPIServersSend: of ordinary reviews none is left to
// encoding/json.
func TestCursorReadsWhatAPIServersSend(t *testing.T) {
	if !checkCursor(t, benchReview()) {
		t.Error("the review of the benchmark is odd")
	}
	files, err := filepath.Glob("testdata/*.in.json")
	if err != nil || len(files) < 20 {
		t.Fatalf("got %d files, %v", len(files), err)
	}
	for _, file := range files {
		var in struct{ Pod json.RawMessage }
		raw, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(raw, &in)
		}
		if err != nil {
			t.Fatal(err)
		}
		if !checkCursor(t, []byte(reviewOf("v1", string(in.Pod)))) && filepath.Base(file) != "env-null.in.json" {
			t.Errorf("the pod of %s is odd", file)
		}
	}
	for seed := range uint64(500) {
		pod, err := json.Marshal(generator{rand.New(rand.NewPCG(seed, 1))}.pod())
		if err != nil {
			t.Fatal(err)
		}
		checkCursor(t, []byte(reviewOf("v1", string(pod))))
	}
}

// TestCursorLeavesTheRest to encoding/json, whatever that makes of it.
func TestCursorLeavesTheRest(t *testing.T) {
	review := reviewOf("v1", labelledPod)
	swap := func(old, with string) string { return strings.Replace(review, old, with, 1) }
	for name, body := range map[string]string{
		"empty": "", "end": review[:len(review)-1], "more": review + "{}", "comma": swap(`"v1"`, `"v1",`), "no_comma": swap(`"u-1",`, `"u-1"`),
		"case": swap(`"spec"`, `"Spec"`), "case_inside": swap(`"serviceAccountName"`, `"serviceaccountname"`), "folded": swap(`"kind":"AdmissionReview"`, `"\u212Aind":"AdmissionReview"`),
		"folded_raw": swap(`"kind":"AdmissionReview"`, "\"\u212Aind\":\"AdmissionReview\""),
		"twice":      swap(`"spec":{`, `"spec":{"containers":[]},"spec":{`), "null": swap(`"wi-demo-sa"`, "null"), "number": swap(`"wi-demo-sa"`, "1"), "null_object": swap(labelledPod, "null"),
		"array": swap(`"labels":{`, `"labels":[{`), "escape": swap("u-1", `u\x`), "half_escape": swap("u-1", `u\u12`), "control": swap("u-1", "u\n"),
		"leading_zero": swap(`"namespace"`, `"x":01,"namespace"`), "dot": swap(`"namespace"`, `"x":1.,"namespace"`), "exponent": swap(`"namespace"`, `"x":1e,"namespace"`),
		"plus": swap(`"namespace"`, `"x":+1,"namespace"`), "word": swap(`"namespace"`, `"x":nul,"namespace"`), "trailing": swap(`[{"name":"wi-api"}]`, `[{"name":"wi-api"},]`),
		"float_port": swap(`"wi-api"}`, `"wi-api","ports":[{"containerPort":80.0}]}`), "large_port": swap(`"wi-api"}`, `"wi-api","ports":[{"containerPort":99999999999999999999}]}`),
		"deep": swap(`"namespace"`, `"x":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+`,"namespace"`), "tail": review + " x",
	} {
		t.Run(name, func(t *testing.T) {
			if body == review {
				t.Fatal("the case changes nothing")
			}
			if checkCursor(t, []byte(body)) {
				t.Errorf("got %s read, want it left to encoding/json", body)
			}
		})
	}
}

// TestCursorReadsEscapes and everything else that a string can hold.
func TestCursorReadsEscapes(t *testing.T) {
	for _, value := range []string{`plain`, `q\"b\\s\/n\nu\u00e9`, "\u00e9\u4e16", `\ud83d\ude00`, `\ud83d`, "\xff\xfe", ``} {
		body := strings.Replace(reviewOf("v1", labelledPod), `"wi-api-"`, `"`+value+`","annotations":{"a":"`+value+`"}`, 1)
		if !checkCursor(t, []byte(body)) {
			t.Errorf("%q is odd", value)
		}
	}
}

// TestCursorCuts: no beginning of a review is taken for one.
func TestCursorCuts(t *testing.T) {
	body := benchReview()
	for n := range body {
		if readReview(body[:n]) != nil {
			t.Fatalf("got %d of %d bytes read", n, len(body))
		}
	}
}

func FuzzCursor(f *testing.F) {
	f.Add(benchReview())
	f.Add([]byte(reviewOf("v1", labelledPod)))
	f.Add([]byte(`{"request":{"uid":"\u00e9","object":{"metadata":{"labels":{"a":"b"}},"spec":{"securityContext":{"runAsUser":-1},"resources":{"limits":{"cpu":1e3}}}}}}`))
	f.Add([]byte(`{"apiVersion":"a","kind":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		checkCursor(t, bytes.Clone(body))
		fast := readPod(body)
		if fast == nil {
			return
		}
		slow := new(Pod)
		if err := json.Unmarshal(body, slow); err != nil || !reflect.DeepEqual(fast, slow) {
			t.Errorf("%s\ngot %+v, want %+v, %v", body, fast, slow, err)
		}
	})
}
