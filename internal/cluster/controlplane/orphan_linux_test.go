package controlplane_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/cluster/controlplane"
	"github.com/aksess/aksess/internal/cluster/driver"
)

// roleVariable has this program play a local Azure that is killed.
const roleVariable = "AKSESS_TEST_CONTROL_PLANE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(roleVariable); dir != "" {
		playAzure(dir)
	}
	os.Exit(m.Run())
}

// playAzure starts a cluster that is never ready and says when it runs.
func playAzure(dir string) {
	d, err := controlplane.New(controlplane.Options{Dir: filepath.Join(dir, "state"), BinDir: filepath.Join(dir, "bin"), Now: time.Now})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("starting")
	fmt.Println(d.Start(context.Background(), driver.Spec{ID: clusterID, Name: "blue", IssuerURL: "https://issuer.example/"}))
	os.Exit(1)
}

// TestKilledLeavesNothing: the programs end with the process that started them,
// whatever ended it.
func TestKilledLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager"} {
		if err := os.WriteFile(filepath.Join(dir, "bin", name), []byte("#!/bin/sh\nwhile :; do sleep 0.1; done\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	self := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	self.Env = append(os.Environ(), roleVariable+"="+dir)
	out, err := self.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := self.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "starting\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	children := func() []int { return processes(t, "", filepath.Join(dir, "bin")) }
	eventually(t, "the programs run", func() error {
		if n := len(children()); n != 3 {
			return fmt.Errorf("%d of them", n)
		}
		return nil
	})
	if err := self.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = self.Wait() // killed
	eventually(t, "the programs ended", func() error {
		if left := children(); len(left) != 0 {
			return fmt.Errorf("processes %v are left", left)
		}
		return nil
	})
}
