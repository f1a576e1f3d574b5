package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// kubernetes is a real API server and its etcd, on loopback, whose one user may
// do everything. There are no controllers and no nodes.
type kubernetes struct {
	dir        string
	url        string
	kubeconfig string
	processes  []*exec.Cmd
	client     *http.Client
}

const kubernetesToken = "bench" // of the one user; it opens nothing but this process' children

// startKubernetes starts the programs of tools/kubernetes/build. The error is
// errNoKubernetes when they are not there.
func startKubernetes(ctx context.Context, o options) (*kubernetes, error) {
	for _, program := range []string{"etcd", "kube-apiserver"} {
		if _, err := os.Stat(filepath.Join(o.kube, program)); o.kube == "" || err != nil {
			return nil, errNoKubernetes
		}
	}
	dir, err := os.MkdirTemp("", "aksess-bench-")
	if err != nil {
		return nil, err
	}
	k := &kubernetes{dir: dir, kubeconfig: filepath.Join(dir, "kubeconfig")}
	k.client = &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 64,
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, // our own child on loopback, with a certificate of its own making
	}}
	if err := k.start(ctx, o); err != nil {
		k.stop()
		return nil, err
	}
	return k, nil
}

var errNoKubernetes = errors.New("no kube-apiserver: run tools/kubernetes/build and name its folder in KUBE_BIN_DIR")

func (k *kubernetes) start(ctx context.Context, o options) error {
	ports := make([]string, 3)
	for i := range ports {
		var err error
		if ports[i], err = freePort(); err != nil {
			return err
		}
	}
	etcd, peer := "http://127.0.0.1:"+ports[0], "http://127.0.0.1:"+ports[1]
	k.url = "https://127.0.0.1:" + ports[2]
	if err := k.writeFiles(); err != nil {
		return err
	}
	err := k.run(filepath.Join(o.kube, "etcd"), "--data-dir="+k.file("etcd"), "--listen-client-urls="+etcd, "--advertise-client-urls="+etcd,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=default="+peer, "--log-level=error", "--unsafe-no-fsync")
	if err != nil {
		return err
	}
	err = k.run(filepath.Join(o.kube, "kube-apiserver"), "--etcd-servers="+etcd, "--bind-address=127.0.0.1", "--secure-port="+ports[2],
		"--cert-dir="+k.file("generated"), "--token-auth-file="+k.file("tokens.csv"), "--authorization-mode=AlwaysAllow",
		"--service-account-issuer=https://bench.test", "--service-account-signing-key-file="+k.file("sa.key"), "--service-account-key-file="+k.file("sa.key"),
		"--service-cluster-ip-range=10.96.0.0/24", "--endpoint-reconciler-type=none", "--allow-privileged=true")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		if err := k.do(ctx, http.MethodGet, "/readyz", nil); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("kube-apiserver is not ready: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (k *kubernetes) writeFiles() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	kubeconfig := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"b","clusters":[{"name":"b","cluster":{"server":%q,"insecure-skip-tls-verify":true}}],
"users":[{"name":"b","user":{"token":%q}}],"contexts":[{"name":"b","context":{"cluster":"b","user":"b"}}]}`, k.url, kubernetesToken)
	return errors.Join(
		os.WriteFile(k.file("sa.key"), pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), 0o600),
		os.WriteFile(k.file("tokens.csv"), []byte(kubernetesToken+",bench,1,\"system:masters\"\n"), 0o600),
		os.WriteFile(k.kubeconfig, []byte(kubeconfig), 0o600))
}

func (k *kubernetes) file(name string) string { return filepath.Join(k.dir, name) }

// run starts a program that ends with this one.
func (k *kubernetes) run(program string, arguments ...string) error {
	command := exec.Command(program, arguments...)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := os.Create(k.file(filepath.Base(program) + ".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		return err
	}
	k.processes = append(k.processes, command)
	return nil
}

func (k *kubernetes) stop() {
	for i := len(k.processes) - 1; i >= 0; i-- {
		_ = k.processes[i].Process.Kill()
		_ = k.processes[i].Wait()
	}
	_ = os.RemoveAll(k.dir)
}

// do sends a request and fails unless it succeeds. One that creates what is
// there already has succeeded.
func (k *kubernetes) do(ctx context.Context, method, path string, body any) error {
	var content io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(raw)
	}
	request, err := http.NewRequestWithContext(ctx, method, k.url+path, content)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+kubernetesToken)
	request.Header.Set("Content-Type", "application/json")
	response, err := k.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 && response.StatusCode != http.StatusConflict {
		return fmt.Errorf("%s %s: %s %.300s", method, path, response.Status, answer)
	}
	return nil
}

// benchClient is the client id of every service account.
const benchClient = "33333333-3333-3333-3333-333333333333"

// fill makes service accounts with annotations and labels, twenty in each of as
// many namespaces as that takes.
func (k *kubernetes) fill(ctx context.Context, accounts int) error {
	const each, workers = 20, 16
	numbers := make(chan int)
	errs := make(chan error, workers)
	var working sync.WaitGroup
	for range workers {
		working.Go(func() {
			for n := range numbers {
				if err := k.fillNamespace(ctx, fmt.Sprintf("team-%04d", n), each); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	var failed error
	for n := 0; n < (accounts+each-1)/each && failed == nil; n++ {
		select {
		case numbers <- n:
		case failed = <-errs:
		}
	}
	close(numbers)
	working.Wait()
	return failed
}

func (k *kubernetes) fillNamespace(ctx context.Context, namespace string, accounts int) error {
	if err := k.do(ctx, http.MethodPost, "/api/v1/namespaces", m{"metadata": m{"name": namespace}}); err != nil {
		return err
	}
	for i := range accounts {
		account := m{"metadata": m{
			"name":        fmt.Sprintf("service-account-%02d", i),
			"labels":      m{"app.kubernetes.io/name": "service", "app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": namespace},
			"annotations": m{"azure.workload.identity/client-id": benchClient, "meta.helm.sh/release-name": namespace, "meta.helm.sh/release-namespace": namespace},
		}}
		if err := k.do(ctx, http.MethodPost, "/api/v1/namespaces/"+namespace+"/serviceaccounts", account); err != nil {
			return err
		}
	}
	return nil
}

// register tells the API server to send labelled pods to the URL, or to nobody
// if it is empty.
func (k *kubernetes) register(ctx context.Context, url string, bundle []byte) error {
	const path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
	if err := k.do(ctx, http.MethodDelete, path+"/bench", nil); err != nil && !strings.Contains(err.Error(), "404") {
		return err
	}
	if url == "" {
		return nil
	}
	client := m{"url": url}
	if len(bundle) > 0 {
		client["caBundle"] = bundle
	}
	return k.do(ctx, http.MethodPost, path, m{"metadata": m{"name": "bench"}, "webhooks": []m{{
		"name": "mutation.azure-workload-identity.io", "admissionReviewVersions": []string{"v1"}, "sideEffects": "None", "failurePolicy": "Fail", "timeoutSeconds": 5,
		"clientConfig": client, "objectSelector": m{"matchLabels": m{"azure.workload.identity/use": "true"}},
		"rules": []m{{"apiGroups": []string{""}, "apiVersions": []string{"v1"}, "operations": []string{"CREATE"}, "resources": []string{"pods"}}},
	}}})
}
