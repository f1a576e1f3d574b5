package main

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// webhook is a running admission webhook: ours, upstream's or the bare one.
type webhook struct {
	command *exec.Cmd
	ended   chan struct{}
	address string
	health  string // "" for the bare one
	bundle  []byte // what an API server must trust
}

const benchTenant = "22222222-2222-2222-2222-222222222222"

// launch starts a program, in a group if there is one, with its log in a file.
func (k *kubernetes) launch(command *exec.Cmd, in *cgroup, log string) (*webhook, error) {
	file, err := os.Create(k.file(log))
	if err != nil {
		return nil, err
	}
	// By a pipe, as in a container: the pages of a file that it writes itself would
	// count as its memory, and fill 30 MiB within minutes.
	output := struct{ io.Writer }{file}
	command.Stdout, command.Stderr = output, output
	if in != nil {
		command = in.wrap(command)
	}
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		_ = file.Close()
		return nil, err
	}
	w := &webhook{command: command, ended: make(chan struct{})}
	go func() {
		_ = command.Wait()
		_ = file.Close()
		close(w.ended)
	}()
	return w, nil
}

func (w *webhook) pid() int { return w.command.Process.Pid }

func (w *webhook) stop() {
	_ = w.command.Process.Kill()
	<-w.ended
}

// alive reports whether it has not ended by itself.
func (w *webhook) alive() bool {
	select {
	case <-w.ended:
		return false
	default:
		return true
	}
}

// until waits for a condition, or for the end of the program.
func (w *webhook) until(ctx context.Context, what string, condition func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for !condition() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		case <-w.ended:
			return fmt.Errorf("%s: the program has ended", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

var started = regexp.MustCompile(`"webhook started".*"listen":"([^"]+)","health":"([^"]+)"`)

// startOurs starts aksess-webhook and waits until it is ready.
func (k *kubernetes) startOurs(ctx context.Context, o options, in *cgroup) (*webhook, error) {
	certs := k.file("our-certificates")
	command := exec.Command(filepath.Join(o.bin, "aksess-webhook"), "--kubeconfig", k.kubeconfig, "--webhook-cert-dir", certs,
		"--listen", "127.0.0.1:0", "--health-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0", "--drain-delay", "0s")
	command.Env = append(os.Environ(), "AZURE_TENANT_ID="+benchTenant, "POD_NAMESPACE=aksess-system")
	if in == nil {
		command.Env = append(command.Env, "GOMAXPROCS=1")
	}
	w, err := k.launch(command, in, "ours.log")
	if err != nil {
		return nil, err
	}
	err = w.until(ctx, "aksess-webhook listening", func() bool {
		log, _ := os.ReadFile(k.file("ours.log"))
		found := started.FindSubmatch(log)
		if found == nil {
			return false
		}
		w.address, w.health = string(found[1]), string(found[2])
		return true
	})
	if err == nil {
		err = w.until(ctx, "aksess-webhook ready", w.ready)
	}
	if err == nil {
		w.bundle, err = os.ReadFile(filepath.Join(certs, "ca.crt"))
	}
	if err != nil {
		w.stop()
		return nil, err
	}
	return w, nil
}

func (w *webhook) ready() bool {
	response, err := http.Get("http://" + w.health + "/readyz")
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

var errNoUpstream = errors.New("no upstream webhook: build Azure/azure-workload-identity's and name it with -upstream-webhook")

// upstreamAddress is fixed in upstream's program.
const upstreamAddress = "127.0.0.1:9443"

// startUpstream starts upstream's webhook, which is not part of this
// repository, and waits until it answers.
func (k *kubernetes) startUpstream(ctx context.Context, o options, in *cgroup) (*webhook, error) {
	if o.upstream == "" {
		return nil, errNoUpstream
	}
	certs := k.file("upstream-certificates")
	bundle, err := writePair(certs)
	if err != nil {
		return nil, err
	}
	ports := make([]string, 2)
	for i := range ports {
		if ports[i], err = freePort(); err != nil {
			return nil, err
		}
	}
	command := exec.Command(o.upstream, "--kubeconfig", k.kubeconfig, "--disable-cert-rotation", "--webhook-cert-dir", certs,
		"--health-addr", "127.0.0.1:"+ports[0], "--metrics-addr", "127.0.0.1:"+ports[1])
	command.Env = append(os.Environ(), "AZURE_TENANT_ID="+benchTenant, "POD_NAMESPACE=azure-workload-identity-system")
	if in == nil {
		command.Env = append(command.Env, "GOMAXPROCS=1")
	}
	w, err := k.launch(command, in, "upstream.log")
	if err != nil {
		return nil, err
	}
	w.address, w.health, w.bundle = upstreamAddress, "127.0.0.1:"+ports[0], bundle
	if err := w.until(ctx, "upstream's webhook ready", w.ready); err != nil {
		w.stop()
		log, _ := os.ReadFile(k.file("upstream.log"))
		return nil, fmt.Errorf("%w: %.500s", err, log)
	}
	// Its cache is filled by the first review.
	client := w.client(1)
	return w, w.until(ctx, "upstream's webhook answering", func() bool {
		request, err := w.review("service-account-00")
		return err == nil && send(client, request)
	})
}

// writePair makes a certificate for loopback, and returns it as its own authority.
func writePair(dir string) ([]byte, error) {
	certificate, err := selfSigned()
	if err != nil {
		return nil, err
	}
	key, err := encodeKey(certificate)
	if err != nil {
		return nil, err
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})
	return public, errors.Join(os.MkdirAll(dir, 0o700),
		os.WriteFile(filepath.Join(dir, "tls.crt"), public, 0o600), os.WriteFile(filepath.Join(dir, "tls.key"), key, 0o600))
}

// client keeps connections to the webhook. It is a process of ours on loopback.
func (w *webhook) client(conns int) *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		MaxIdleConnsPerHost: conns, MaxConnsPerHost: conns, DisableCompression: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}},
	}}
}

// review is a request as an API server sends it.
func (w *webhook) review(account string) (*http.Request, error) {
	request, err := http.NewRequest(http.MethodPost, "https://"+w.address+"/mutate-v1-pod?timeout=5s", strings.NewReader(reviewOf(account)))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	return request, nil
}

// reviewOf is a review of about 5 KB: two containers, twelve variables each.
func reviewOf(account string) string {
	var env []string
	for i := range 12 {
		env = append(env, fmt.Sprintf(`{"name":"SETTING_%02d","value":"some value number %d"}`, i, i))
	}
	one := func(name string) string {
		return fmt.Sprintf(`{"name":%q,"image":"registry.example.test/team/%s@sha256:%s","args":["--port=8080","--v=2"],"env":[%s],
"ports":[{"containerPort":8080,"protocol":"TCP"}],"resources":{"limits":{"memory":"1Gi"},"requests":{"cpu":"500m","memory":"1Gi"}},
"volumeMounts":[{"name":"config","mountPath":"/etc/config"},{"name":"kube-api-access-x2x9z","readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}],
"livenessProbe":{"httpGet":{"path":"/api/health","port":8080,"scheme":"HTTP"},"timeoutSeconds":10,"periodSeconds":40,"successThreshold":1,"failureThreshold":3},
"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"Always"}`,
			name, name, strings.Repeat("ab", 32), strings.Join(env, ","))
	}
	return fmt.Sprintf(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"705ab4f5-6393-11e8-b7cc-42010a800002",
"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},
"requestKind":{"group":"","version":"v1","kind":"Pod"},"requestResource":{"group":"","version":"v1","resource":"pods"},
"namespace":"team-0000","operation":"CREATE","userInfo":{"username":"system:serviceaccount:kube-system:replicaset-controller","uid":"1","groups":["system:serviceaccounts","system:authenticated"]},
"object":{"kind":"Pod","apiVersion":"v1","metadata":{"generateName":"service-7c5d9f7b9b-","namespace":"team-0000","labels":{"app":"service","azure.workload.identity/use":"true","pod-template-hash":"7c5d9f7b9b"},
"annotations":{"example.test/owner":"team"},"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"service-7c5d9f7b9b","uid":"2","controller":true,"blockOwnerDeletion":true}]},
"spec":{"volumes":[{"name":"config","configMap":{"name":"configmap","defaultMode":420}},{"name":"kube-api-access-x2x9z","projected":{"sources":[{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}},{"configMap":{"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}},{"downwardAPI":{"items":[{"path":"namespace","fieldRef":{"apiVersion":"v1","fieldPath":"metadata.namespace"}}]}}],"defaultMode":420}}],
"containers":[%s,%s],"restartPolicy":"Always","terminationGracePeriodSeconds":90,"dnsPolicy":"ClusterFirst","serviceAccountName":%q,"serviceAccount":%q,"securityContext":{},"schedulerName":"default-scheduler",
"tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}],"priority":0,"enableServiceLinks":true,"preemptionPolicy":"PreemptLowerPriority"}},
"oldObject":null,"dryRun":false,"options":{"kind":"CreateOptions","apiVersion":"meta.k8s.io/v1"}}}`, one("service"), one("helper"), account, account)
}
