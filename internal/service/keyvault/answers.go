package keyvault

import (
	"net/http"
	"strconv"
	"sync"
)

const maxAnswers = 1024 // newest versions of secrets whose answer is kept

// answers keeps the encoded answers of newest versions, so that a read neither
// decodes the secret nor encodes it again. An answer is good for one version of
// the stored secret and one view of its vault; both are looked at on each read.
type answers struct {
	mu    sync.RWMutex
	byKey map[string]kept
}

// kept is one answer.
type kept struct {
	version int64  // of the stored document
	vault   *Vault // the view that the answer was made with
	body    []byte
	length  []string // the Content-Length header
}

func (a *answers) get(key string, version int64, vault *Vault) (kept, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	found, ok := a.byKey[key]
	return found, ok && found.version == version && found.vault == vault
}

func (a *answers) put(key string, answer kept) kept {
	answer.length = []string{strconv.Itoa(len(answer.body))}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byKey == nil || len(a.byKey) >= maxAnswers {
		a.byKey = make(map[string]kept, 16) // starting over is simpler than choosing, and as good
	}
	a.byKey[key] = answer
	return answer
}

// jsonType is shared: answers replace header values, they do not change them.
var jsonType = []string{"application/json; charset=utf-8"}

func (k kept) write(w http.ResponseWriter) {
	h := w.Header()
	h["Content-Type"] = jsonType
	h["Content-Length"] = k.length
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(k.body) // the client may be gone; nobody is left to tell
}
