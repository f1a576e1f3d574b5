package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/inject"
)

const podRate = 100 // pods a second

// contender is a webhook that takes part in a measurement.
type contender struct {
	name  string
	start func(context.Context, options, *cgroup) (*webhook, error)
}

func (k *kubernetes) contenders() []contender {
	return []contender{{"ours", k.startOurs}, {"upstream", k.startUpstream}}
}

// missing prints why a column is empty. It returns false for other errors.
func missing(what string, err error) bool {
	if errors.Is(err, errNoKubernetes) || errors.Is(err, errNoUpstream) {
		row(what, "", "skipped: "+err.Error(), "", "")
		return true
	}
	return false
}

// reviews measures the CPU time of a review over TLS, in turn with the least
// that any webhook must do and, if there is one, with upstream's.
func reviews(ctx context.Context, o options) error {
	k, err := startKubernetes(ctx, o)
	if err != nil {
		if missing("admission review", err) {
			return nil
		}
		return err
	}
	defer k.stop()
	if err := k.fill(ctx, 20); err != nil {
		return err
	}
	ours, err := k.startOurs(ctx, o, nil)
	if err != nil {
		return err
	}
	defer ours.stop()
	bare, err := startBareAdmission(ctx)
	if err != nil {
		return err
	}
	defer bare.stop()
	pair, err := inTurn(ctx, o, ours, bare)
	if err != nil {
		return err
	}
	pair.print("admission review of 5 KB over TLS", "≤ 1.2 ×")
	row("the same, handler in process", fmt.Sprintf("%.0f allocations", allocations()), "", "", "≤ 300")
	if err := latency(ctx, o, ours); err != nil {
		return err
	}
	upstream, err := k.startUpstream(ctx, o, nil)
	if err != nil {
		if missing("admission review against upstream's webhook", err) {
			return nil
		}
		return err
	}
	defer upstream.stop()
	if pair, err = inTurn(ctx, o, ours, upstream); err != nil {
		return err
	}
	row("admission review against upstream's webhook", fmt.Sprintf("%.0f µs CPU", median(pair.ours)), fmt.Sprintf("%.0f µs", median(pair.bares)),
		fmt.Sprintf("1/%.1f of the CPU; %d failed", 1/median(pair.ratios), pair.failed), "≤ 1/5")
	return nil
}

// allocations counts those of a review, without the connection.
func allocations() float64 {
	handler := inject.NewHandler(inject.HandlerConfig{
		Pods: func() inject.Config { return inject.Config{TenantID: benchTenant} }, Accounts: oneAccount{}, Log: slog.New(slog.NewJSONHandler(io.Discard, nil)),
	})
	body := reviewOf("service-account-00")
	return testing.AllocsPerRun(200, func() {
		request := httptest.NewRequest(http.MethodPost, inject.MutatePath, strings.NewReader(body))
		request.Header.Set("Content-Type", "application/json")
		handler.ServeHTTP(httptest.NewRecorder(), request)
	})
}

type oneAccount struct{}

func (oneAccount) Get(_ context.Context, namespace, name string) (inject.ServiceAccount, error) {
	return inject.ServiceAccount{Namespace: namespace, Name: name, Annotations: map[string]string{"azure.workload.identity/client-id": benchClient}}, nil
}

// inTurn drives two webhooks in rounds.
func inTurn(ctx context.Context, o options, a, b *webhook) (spread, error) {
	var pair spread
	clients := [2]*http.Client{a.client(o.conns), b.client(o.conns)}
	for range o.rounds {
		var results [2]result
		for i, w := range []*webhook{a, b} {
			var err error
			results[i], err = drive(ctx, clients[i], w.pid(), o.conns, o.time, func() (*http.Request, error) { return w.review("service-account-00") })
			if err != nil {
				return pair, err
			}
		}
		pair.add(results[0], results[1])
	}
	return pair, nil
}

// latency measures 1,000 reviews a second on the two processors of the machine.
func latency(ctx context.Context, o options, w *webhook) error {
	r, err := openLoop(ctx, w.client(64), 1000, max(o.time, 5*time.Second), func() (*http.Request, error) { return w.review("service-account-00") })
	if err != nil {
		return err
	}
	row("admission review, 1,000 a second, open loop", fmt.Sprintf("p50 %s, p99 %s", short(r.p50), short(r.p99)), "", fmt.Sprintf("%d failed", r.failed), "p99 ≤ 30 ms")
	return nil
}

func short(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }

// podCreates measures what a webhook adds to the creation of a pod.
func podCreates(ctx context.Context, o options) error {
	k, err := startKubernetes(ctx, o)
	if err != nil {
		if missing("creating a pod", err) {
			return nil
		}
		return err
	}
	defer k.stop()
	if err := k.fill(ctx, 20); err != nil {
		return err
	}
	without, err := k.createPods(ctx, o, nil)
	if err != nil {
		return err
	}
	row("creating a pod, 100 a second, no webhook", fmt.Sprintf("p50 %s, p99 %s", short(without.p50), short(without.p99)), "", fmt.Sprintf("%d failed", without.failed), "")
	for _, c := range k.contenders() {
		what := "creating a pod, 100 a second, " + c.name
		w, err := c.start(ctx, o, nil)
		if err != nil {
			if missing(what, err) {
				continue
			}
			return err
		}
		with, err := k.createPods(ctx, o, w)
		w.stop()
		if err != nil {
			return err
		}
		if with.requests == 0 {
			return fmt.Errorf("%s: none of %d was created", what, with.failed)
		}
		row(what, fmt.Sprintf("p50 %s, p99 %s", short(with.p50), short(with.p99)), "",
			fmt.Sprintf("added p50 %s, p99 %s; %d failed", short(with.p50-without.p50), short(with.p99-without.p99), with.failed), "added p50 ≤ 2 ms, p99 ≤ 10 ms")
	}
	return nil
}

// createPods creates labelled pods with the webhook, or with none.
func (k *kubernetes) createPods(ctx context.Context, o options, w *webhook) (result, error) {
	url, bundle := "", []byte(nil)
	if w != nil {
		url, bundle = "https://"+w.address+"/mutate-v1-pod", w.bundle
	}
	if err := k.register(ctx, url, bundle); err != nil {
		return result{}, err
	}
	body := `{"metadata":{"generateName":"bench-","labels":{"azure.workload.identity/use":"true"}},"spec":{"serviceAccountName":"service-account-00",
"containers":[{"name":"a","image":"a:v1","env":[{"name":"A","value":"b"}]},{"name":"b","image":"b:v1"}]}}`
	next := func() (*http.Request, error) {
		request, err := http.NewRequest(http.MethodPost, k.url+"/api/v1/namespaces/team-0000/pods", strings.NewReader(body))
		if err == nil {
			request.Header.Set("Authorization", "Bearer "+kubernetesToken)
			request.Header.Set("Content-Type", "application/json")
		}
		return request, err
	}
	if _, err := openLoop(ctx, k.client, podRate, 3*time.Second, next); err != nil { // the API server learns of the webhook
		return result{}, err
	}
	return openLoop(ctx, k.client, podRate, max(5*o.time, 15*time.Second), next)
}
