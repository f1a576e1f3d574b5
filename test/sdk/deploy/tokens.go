package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// tokens asks the cluster's API server for the tokens that the kubelet would
// project into a pod of the scenario's service account, and of another one.
func (d *deployment) tokens(ctx context.Context) error {
	var err error
	if d.made.Token, err = d.token(ctx, ServiceAccount); err != nil {
		return err
	}
	d.made.Foreign, err = d.token(ctx, "default")
	return err
}

func (d *deployment) token(ctx context.Context, account string) (string, error) {
	var config struct {
		Clusters []struct{ Cluster struct{ Server string } }
		Users    []struct{ User struct{ Token string } }
	}
	if err := json.Unmarshal(d.kubeconfig, &config); err != nil || len(config.Clusters) != 1 || len(config.Users) != 1 {
		return "", fmt.Errorf("the kubeconfig has %d clusters and %d users, want one of each: %w", len(config.Clusters), len(config.Users), err)
	}
	d.made.APIServer = strings.TrimSuffix(config.Clusters[0].Cluster.Server, "/")
	d.made.AdminToken = config.Users[0].User.Token
	const body = `{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","spec":{"audiences":["api://AzureADTokenExchange"],"expirationSeconds":3600}}`
	at := d.made.APIServer + "/api/v1/namespaces/" + Namespace + "/serviceaccounts/" + account + "/token"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, at, bytes.NewReader([]byte(body)))
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+d.made.AdminToken)
	request.Header.Set("Content-Type", "application/json")
	response, err := (&http.Client{Timeout: 30 * time.Second}).Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("the token request got %s: %s", response.Status, text)
	}
	var answer struct{ Status struct{ Token string } }
	if err := json.Unmarshal(text, &answer); err != nil {
		return "", err
	}
	return answer.Status.Token, nil
}
