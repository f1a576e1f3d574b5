package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// bareReview is the least that any identity webhook must do: decode what
// matters, make a patch of four variables and a mount for each container and a
// volume, encode. It checks nothing, knows no service account and logs nothing.
func bareReview(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Request struct {
			UID    string
			Object struct {
				Metadata struct{ Labels, Annotations map[string]string }
				Spec     struct {
					ServiceAccountName string
					Containers         []struct {
						Name         string
						Env          []struct{ Name string }
						VolumeMounts []struct{ MountPath string }
					}
				}
			}
		}
	}
	var body bytes.Buffer
	if _, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, 3<<20)); err != nil || json.Unmarshal(body.Bytes(), &in) != nil {
		http.Error(w, "body", http.StatusBadRequest)
		return
	}
	type op struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	type variable struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	type mount struct {
		Name      string `json:"name"`
		MountPath string `json:"mountPath"`
		ReadOnly  bool   `json:"readOnly"`
	}
	var ops []op
	for i := range in.Request.Object.Spec.Containers {
		path := "/spec/containers/" + strconv.Itoa(i)
		for _, name := range []string{"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST"} {
			ops = append(ops, op{"add", path + "/env/-", variable{name, benchClient}})
		}
		ops = append(ops, op{"add", path + "/volumeMounts/-", mount{"token", "/var/run/secrets/azure/wi", true}})
	}
	ops = append(ops, op{"add", "/spec/volumes/-", m{"name": "token", "projected": m{"sources": []m{
		{"serviceAccountToken": m{"audience": "api://AzureADTokenExchange", "expirationSeconds": 3600, "path": "token/azure-identity-token"}},
	}}}})
	patch, _ := json.Marshal(ops)
	answer(w, m{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": m{
		"uid": in.Request.UID, "allowed": true, "patchType": "JSONPatch", "patch": base64.StdEncoding.EncodeToString(patch),
	}})
}

// serveBareAdmission is the child process. It prints its address and ends with
// its parent.
func serveBareAdmission() {
	certificate, err := selfSigned()
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{
		Handler: http.HandlerFunc(bareReview), ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}},
	}
	go func() { log.Fatal(server.ServeTLS(listener, "", "")) }()
	fmt.Println(listener.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// startBareAdmission starts the child.
func startBareAdmission(context.Context) (*webhook, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	w := &webhook{command: exec.Command(self, "-serve-admission"), ended: make(chan struct{})}
	w.command.Env, w.command.Stderr = append(os.Environ(), "GOMAXPROCS=1"), os.Stderr
	if _, err = w.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := w.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := w.command.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	go func() {
		_ = w.command.Wait()
		close(w.ended)
	}()
	w.address = strings.TrimSpace(line)
	return w, err
}

// encodeKey is a certificate's key, PEM.
func encodeKey(certificate tls.Certificate) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}
