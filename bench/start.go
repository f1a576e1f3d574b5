package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// coldStart measures from exec to the first answer on a new state folder, and
// on one that was used before.
func coldStart(ctx context.Context, o options) error {
	var fresh, again []time.Duration
	dir, err := os.MkdirTemp("", "aksess-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for i := range o.starts {
		state := filepath.Join(dir, fmt.Sprint(i))
		first, err := startOnce(ctx, o, state)
		if err != nil {
			return err
		}
		second, err := startOnce(ctx, o, state)
		if err != nil {
			return err
		}
		fresh, again = append(fresh, first), append(again, second)
	}
	for _, kind := range []struct {
		name  string
		times []time.Duration
	}{{"new state folder", fresh}, {"state folder used before", again}} {
		row("start to first answer, "+kind.name, fmt.Sprintf("median %d ms", percentile(kind.times, 50).Milliseconds()), "",
			fmt.Sprintf("p95 %d ms over %d starts", percentile(kind.times, 95).Milliseconds(), len(kind.times)), "p95 ≤ 100 ms")
	}
	return nil
}

// startOnce starts `aksess up` on a known port and asks it until it answers.
func startOnce(ctx context.Context, o options, state string) (time.Duration, error) {
	port, err := freePort()
	if err != nil {
		return 0, err
	}
	address := "127.0.0.1:" + port
	cmd := exec.CommandContext(ctx, filepath.Join(o.bin, "aksess"), "up", "--state", state, "--listen", address, "--log-level", "error", "-o", "json")
	cmd.Stderr = os.Stderr
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}()
	for time.Since(begin) < 30*time.Second {
		if answers(address) {
			return time.Since(begin), nil
		}
		time.Sleep(time.Millisecond)
	}
	return 0, fmt.Errorf("no answer from %s within 30 s", address)
}

// answers reports whether the listener answers a request for its health.
func answers(address string) bool {
	connection, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprintf(connection, "GET /healthz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", address)
	head := make([]byte, 12)
	n, _ := connection.Read(head)
	return string(head[:n]) == "HTTP/1.1 200"
}

// idleMemory is what a local Azure holds once it has made its keys and waits.
func idleMemory(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "aksess-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	a, err := start(ctx, o, "--state", dir)
	if err != nil {
		return err
	}
	defer a.stop()
	began := time.Now()
	if _, err := a.client.Token(ctx, "https://management.azure.com"); err != nil {
		return err
	}
	row("first token on a new state folder: the wait for its RSA key", fmt.Sprintf("%d ms", time.Since(began).Milliseconds()), "", "", "")
	time.Sleep(3 * time.Second) // idle is what is measured
	bytes, err := residentMemory(a.cmd.Process.Pid)
	if err != nil {
		return err
	}
	row("memory when idle", fmt.Sprintf("%.1f MiB resident", float64(bytes)/(1<<20)), "", "", "≤ 30 MiB")
	return nil
}
