package terraform_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aksess/aksess/test/e2e"
)

const (
	stateAccount  = "aksessstate"
	roleBlobOwner = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b" // Storage Blob Data Owner
)

// backends are the ways in which Terraform's azurerm backend reaches its blob,
// each with its arguments and the variables that it takes.
var backends = map[string]struct {
	block   string
	environ func(a *azure) []string
}{
	"entra":      {block: "use_azuread_auth = true"},
	"access_key": {environ: func(a *azure) []string { return []string{"ARM_ACCESS_KEY=" + a.accountKey()} }},
	"listed_key": {block: `resource_group_name = "state"`},
}

// TestBackend keeps Terraform's state in a blob of the local Azure, which locks
// it by a lease. No provider takes part.
func TestBackend(t *testing.T) {
	t.Parallel()
	for name, backend := range backends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := startAzure(t)
			a.stateAccount()
			var environ []string
			if backend.environ != nil {
				environ = backend.environ(a)
			}
			testBackend(t, a, func() *workspace {
				w := newWorkspace(t, a)
				w.set(environ...)
				w.write("main.tf", `terraform {
  backend "azurerm" {
    storage_account_name = "`+stateAccount+`"
    container_name       = "state"
    key                  = "prod.tfstate"
    `+backend.block+`
  }
}

variable "release" {}

# Says that it has begun, and waits until it may go on.
resource "terraform_data" "release" {
  input            = var.release
  triggers_replace = var.release
  provisioner "local-exec" {
    command = "echo $PPID > held; while [ ! -e go ]; do sleep 0.05; done"
  }
}

output "release" {
  value = terraform_data.release.output
}
`)
				w.run("init", "-no-color", "-input=false")
				return w
			})
		})
	}
}

// testBackend is the life of a state that two people apply to.
func testBackend(t *testing.T, a *azure, open func() *workspace) {
	ada, bob := open(), open()
	first := ada.hold("-var=release=1")
	lock := bob.lockedOut("-var=release=2")
	for name, want := range map[string]string{"Operation": "OperationTypeApply", "Path": "state/prod.tfstate"} {
		if lock[name] != want {
			t.Errorf("lock %s: got %q, want %q", name, lock[name], want)
		}
	}
	ada.write("go", "")
	if printed := first.wait(); ada.summary(printed) != (counts{added: 1}) {
		t.Errorf("first apply: got\n%s", printed)
	}
	if got := bob.outputs()["release"]; got != "1" {
		t.Errorf("release, for the other: got %q, want 1", got)
	}
	bob.write("go", "")
	bob.apply(counts{added: 1, destroyed: 1}, "-var=release=2")

	// Who is killed leaves the lock, which another one takes away by its id.
	ada.remove("go")
	ada.remove("held")
	killed := ada.hold("-var=release=3")
	if err := syscall.Kill(killed.terraform, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	ada.write("go", "")
	_ = killed.wait()
	a.restart()
	lock = bob.lockedOut("-var=release=4")
	bob.run("force-unlock", "-force", lock["ID"])
	bob.apply(counts{added: 1, destroyed: 1}, "-var=release=4")
	a.restart()
	bob.planIsEmpty("-var=release=4")
	if got := open().outputs()["release"]; got != "4" {
		t.Errorf("release, in a new folder: got %q, want 4", got)
	}
}

// held is an apply that waits with the lock in its hands.
type held struct {
	terraform int // its process id
	ended     chan struct{}
	printed   *bytes.Buffer
}

func (h *held) wait() string {
	<-h.ended
	return h.printed.String()
}

// hold begins an apply and returns when it has the lock.
func (w *workspace) hold(args ...string) *held {
	w.t.Helper()
	h := &held{ended: make(chan struct{}), printed: &bytes.Buffer{}}
	terraform := filepath.Join(os.Getenv("TERRAFORM_BIN_DIR"), "terraform")
	cmd := w.azure.command(w.dir, w.environ, append([]string{terraform, "apply", "-auto-approve", "-no-color", "-input=false"}, args...)...)
	cmd.Stdout, cmd.Stderr = h.printed, h.printed
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(h.ended)
		_ = cmd.Wait() // what became of it is in what it printed
	}()
	w.t.Cleanup(func() {
		_ = os.WriteFile(filepath.Join(w.dir, "go"), nil, 0o600)
		<-h.ended
	})
	e2e.Eventually(w.t, time.Minute, "terraform holds the lock", func() error {
		text, err := os.ReadFile(filepath.Join(w.dir, "held"))
		if err == nil {
			h.terraform, err = strconv.Atoi(strings.TrimSpace(string(text)))
		}
		return err
	})
	return h
}

var lockField = regexp.MustCompile(`(?m)^\W*(ID|Path|Operation|Who):\s+(\S.*)$`)

// lockedOut applies in vain and returns what is told about the lock.
func (w *workspace) lockedOut(args ...string) map[string]string {
	w.t.Helper()
	printed, code := w.try(append([]string{"apply", "-auto-approve", "-no-color", "-input=false"}, args...)...)
	if code != 1 || !strings.Contains(printed, "Error acquiring the state lock") {
		w.t.Fatalf("apply while another holds the lock: got exit code %d, want 1 and the lock\n%s", code, printed)
	}
	lock := map[string]string{}
	for _, found := range lockField.FindAllStringSubmatch(printed, -1) {
		lock[found[1]] = strings.TrimSpace(found[2])
	}
	if lock["ID"] == "" || lock["Who"] == "" {
		w.t.Fatalf("the lock names nobody:\n%s", printed)
	}
	return lock
}

// stateAccount makes a storage account with a container, and lets the deployer
// at its blobs.
func (a *azure) stateAccount() {
	a.t.Helper()
	group := a.subscription() + "/resourceGroups/state"
	account := group + "/providers/Microsoft.Storage/storageAccounts/" + stateAccount
	a.put(group, "2023-07-01", object{"location": "westeurope"}, nil)
	a.put(account, "2023-05-01", object{"location": "westeurope", "kind": "StorageV2", "sku": object{"name": "Standard_LRS"}}, nil)
	a.put(account+"/blobServices/default/containers/state", "2023-05-01", object{}, nil)
	var principals struct {
		Value []struct{ ID string }
	}
	a.graph("GET", "/v1.0/servicePrincipals?$filter=appId%20eq%20'"+a.Deployer.ClientID+"'", nil, &principals)
	if len(principals.Value) != 1 {
		a.t.Fatalf("service principals of the deployer: got %d, want 1", len(principals.Value))
	}
	a.put(account+"/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-000000000002", "2022-04-01", object{"properties": object{
		"roleDefinitionId": a.subscription() + "/providers/Microsoft.Authorization/roleDefinitions/" + roleBlobOwner, "principalId": principals.Value[0].ID,
	}}, nil)
}

// accountKey is a key of the account.
func (a *azure) accountKey() string {
	a.t.Helper()
	var listed struct {
		Keys []struct{ Value string }
	}
	path := a.subscription() + "/resourceGroups/state/providers/Microsoft.Storage/storageAccounts/" + stateAccount + "/listKeys"
	if err := a.client.Manage(a.t.Context(), "POST", path, "2023-05-01", nil, &listed); err != nil || len(listed.Keys) == 0 {
		a.t.Fatalf("listing keys: got %d, %v", len(listed.Keys), err)
	}
	return listed.Keys[0].Value
}
