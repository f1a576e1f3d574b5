// Command probe is a program that knows a managed identity only by its metadata
// service, as programs written for virtual machines do: by Azure's SDK and by
// plain requests. The node's tests run it in pods. It prints no token, only what
// a token says.
//
//	probe once URL           ask, read what the URL has, print it, end with 0 if all went well
//	probe second FILE URL    once, if the file is there; make it and end with 1 if not
//	probe end                end with 0, at once
//	probe serve              answer the tests on :8080
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"
)

// Port of the tests' requests.
const address = ":8080"

func main() {
	switch {
	case len(os.Args) == 3 && os.Args[1] == "once":
		os.Exit(once(os.Args[2]))
	case len(os.Args) == 4 && os.Args[1] == "second":
		os.Exit(second(os.Args[2], os.Args[3]))
	case len(os.Args) == 2 && os.Args[1] == "end":
		return
	case len(os.Args) == 2 && os.Args[1] == "serve":
		fmt.Fprintln(os.Stderr, http.ListenAndServe(address, routes()))
		os.Exit(1)
	}
	fmt.Fprintln(os.Stderr, "usage: probe once URL | probe second FILE URL | probe end | probe serve")
	os.Exit(2)
}

// once asks for a token plainly and reads the URL with one of the SDK's.
func once(target string) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	resource, err := resourceOf(target)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	byHand := plain(ctx, tokenPath+resource, "true") // before the SDK, which tries more than once
	bySDK := readBySDK(ctx, target)
	if err := json.NewEncoder(os.Stdout).Encode(map[string]any{"sdk": bySDK, "plain": byHand}); err != nil {
		return 1
	}
	if bySDK.Error != "" || byHand.Status != http.StatusOK {
		return 1
	}
	return 0
}

// second fails the first time.
func second(file, target string) int {
	if _, err := os.Stat(file); err == nil {
		return once(target)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	return 1
}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ready", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /sdk", func(w http.ResponseWriter, r *http.Request) {
		answer(w, readBySDK(r.Context(), r.FormValue("url")))
	})
	mux.HandleFunc("GET /plain", func(w http.ResponseWriter, r *http.Request) {
		answer(w, plain(r.Context(), r.FormValue("path"), r.FormValue("metadata")))
	})
	mux.HandleFunc("GET /assertion", func(w http.ResponseWriter, r *http.Request) {
		text, err := os.ReadFile(os.Getenv("AZURE_FEDERATED_TOKEN_FILE"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer(w, claimsOf(string(text)))
	})
	mux.HandleFunc("GET /exit", func(http.ResponseWriter, *http.Request) { os.Exit(3) })
	return mux
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // the client may be gone
}
