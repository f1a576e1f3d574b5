// Command bench measures the local Azure beside the least that an honest server
// could do for the same request, in one run and on one machine, and prints a
// table. What counts is the ratio: absolute figures change with the machine.
//
// Everything stays on loopback, is bounded in time and ends by itself.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// options of a run.
type options struct {
	bin    string        // folder of the programs
	time   time.Duration // of one measurement
	conns  int           // connections that are kept busy
	rounds int           // of ours and the ceiling, in turn
	starts int           // cold starts
	limits time.Duration // of the run within limits; 0 for some seconds

	upstreamProxy string // upstream's proxy, to measure beside ours; "" for none
	kube          string // folder of kube-apiserver and etcd; "" when there is none
	upstream      string // upstream's webhook, a program; likewise
}

func main() {
	serve := flag.Bool("serve", false, "run as the bare server (internal)")
	serveAdmission := flag.Bool("serve-admission", false, "run as the bare webhook (internal)")
	only := flag.String("only", "", "run only sections whose name contains this")
	var o options
	flag.StringVar(&o.bin, "bin", os.Getenv("AKSESS_BIN"), "folder of aksess, aksess-webhook, aksess-proxy and wi-api (default $AKSESS_BIN, else ../bin)")
	flag.DurationVar(&o.time, "time", 3*time.Second, "time of one measurement")
	flag.IntVar(&o.conns, "conns", 8, "connections kept busy")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds of each pair, in turn; the median ratio is printed")
	flag.IntVar(&o.starts, "starts", 20, "cold starts")
	flag.DurationVar(&o.limits, "limits-for", 0, "time of the run within the limits of upstream's chart (admission-limits), 10m for the goal's; 0 for five times -time, at least 15 s")
	flag.StringVar(&o.upstreamProxy, "upstream-proxy", os.Getenv("UPSTREAM_PROXY"), "upstream's proxy program, built elsewhere, to measure beside ours (default $UPSTREAM_PROXY)")
	flag.StringVar(&o.kube, "kube", os.Getenv("KUBE_BIN_DIR"), "folder of kube-apiserver and etcd, made by tools/kubernetes/build (default $KUBE_BIN_DIR)")
	flag.StringVar(&o.upstream, "upstream-webhook", os.Getenv("UPSTREAM_WEBHOOK"), "upstream's webhook program, built elsewhere, to measure beside ours (default $UPSTREAM_WEBHOOK)")
	flag.Parse()
	switch {
	case *serve:
		serveBare()
		return
	case *serveAdmission:
		serveBareAdmission()
		return
	}
	if o.bin == "" {
		o.bin = filepath.Join("..", "bin")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, only string) error {
	load, _ := os.ReadFile("/proc/loadavg") // for the reader: a busy machine spreads the figures
	fmt.Printf("%s, %d CPUs, load %s\n\n| what | ours | against | ratio or limit | target |\n|---|---:|---:|---:|---:|\n",
		runtime.Version(), runtime.NumCPU(), strings.Join(strings.Fields(string(load))[:1], ""))
	for _, section := range []struct {
		name string
		run  func(context.Context, options) error
	}{
		{"sizes", sizes}, {"start", coldStart}, {"memory", idleMemory}, {"exchange", exchanges}, {"secret", secretReads}, {"proxy", proxies},
		{"admission", reviews}, {"admission-limits", limited}, {"admission-pods", podCreates},
	} {
		if !strings.Contains(section.name, only) {
			continue
		}
		if err := section.run(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", section.name, err)
		}
	}
	return nil
}

func row(what, ours, against, ratio, target string) {
	fmt.Printf("| %s | %s | %s | %s | %s |\n", what, ours, against, ratio, target)
}

// sizes prints the sizes of the programs and of their images.
func sizes(_ context.Context, o options) error {
	for _, program := range []struct {
		name   string
		target string
	}{{"aksess", "≤ 45 MB"}, {"aksess-webhook", ""}} {
		info, err := os.Stat(filepath.Join(o.bin, program.name))
		if err != nil {
			return err
		}
		row("size of "+program.name+", stripped", fmt.Sprintf("%.1f MB", float64(info.Size())/1e6), "", "", program.target)
	}
	return images(o)
}
