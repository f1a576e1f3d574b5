package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var root = filepath.Join("..", "..", "..")

func TestTemplate(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first.yaml"), filepath.Join(dir, "second.yaml")
	for file, text := range map[string]string{first: "azureTenantID: a.example\nlogLevel: debug\n", second: "logLevel: trace\nreplicaCount: 7\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	args := []string{"template", "-root", root, "-n", "there", "-create-namespace", "-f", first, "-f", second, "-set", "replicaCount=9,image.release=e2e"}
	if err := run(args, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"kind: Namespace\nmetadata:\n  name: there\n", "replicas: 9\n", "--log-level=trace", "aksess-webhook:e2e", `value: "a.example"`, "namespace: there\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got no %q in %s", want, &out)
		}
	}
}

func TestCheck(t *testing.T) {
	if err := run([]string{"check", "-root", root}, io.Discard); err != nil {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	for want, args := range map[string][]string{
		"usage":                  {},
		`no command "install"`:   {"install"},
		"azureTenantID":          {"template", "-root", root},
		"no such file":           {"template", "-root", root, "-f", "absent.yaml"},
		"loading the chart":      {"check", "-root", t.TempDir()},
		"flag provided but not ": {"template", "-values", "x"},
	} {
		if err := run(args, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", args, err, want)
		}
	}
}
