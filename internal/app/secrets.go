package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/aksess/aksess/internal/directory"
)

// DeployerFile is the file beside the state that holds the deployer's secret
// and the user's password.
const DeployerFile = "deployer.json"

// secretLifetime is how long the deployer's secret lives: longer than any use
// of a local Azure.
const secretLifetime = 100 * 365 * 24 * time.Hour

// kept is the content of DeployerFile.
type kept struct {
	Deployer
	User *keptUser `json:"user,omitempty"`
}

type keptUser struct {
	Name     string `json:"name"`
	Password string `json:"password"` // a secret: never log it
}

// SecretFile holds the deployer's client id and secret and the user's name and
// password, mode 0600.
func (a *App) SecretFile() string { return filepath.Join(a.files, DeployerFile) }

// secrets reads the secrets' file and makes what it lacks: all of it for a new
// state and for one whose file is lost, the user's password for an older one.
func (a *App) secrets(ctx context.Context) error {
	have, err := a.readSecrets()
	if err != nil {
		return err
	}
	complete := have.ClientSecret != "" && have.User != nil
	if have.ClientSecret == "" {
		have.Deployer = a.Account.Deployer
		have.ClientSecret, err = a.Directory.AddSecret(ctx, a.Account.Deployer.ObjectID, "aksess up", a.config.Now().Add(secretLifetime))
		if err != nil {
			return fmt.Errorf("making the deployer's secret: %w", err)
		}
	}
	if have.User == nil {
		password, err := a.Directory.NewPassword(ctx, a.Account.User.ObjectID)
		if err != nil && !errors.Is(err, directory.ErrUserNotFound) { // somebody may have deleted the user
			return fmt.Errorf("making the user's password: %w", err)
		}
		have.User = &keptUser{Name: a.Account.User.Name, Password: password}
	}
	a.Account.Deployer.ClientSecret, a.Account.User.Password = have.ClientSecret, have.User.Password
	if complete {
		return nil
	}
	return a.writeSecrets(have)
}

// readSecrets returns nothing when there is no file.
func (a *App) readSecrets() (kept, error) {
	content, err := os.ReadFile(a.SecretFile())
	if errors.Is(err, fs.ErrNotExist) {
		return kept{}, nil
	}
	if err != nil {
		return kept{}, fmt.Errorf("reading the deployer's secret: %w", err)
	}
	var have kept
	if err := json.Unmarshal(content, &have); err != nil || have.ClientID != a.Account.Deployer.ClientID || have.ClientSecret == "" {
		return kept{}, fmt.Errorf("%s does not hold the secret of this state's deployer; remove the file to get a new one", a.SecretFile())
	}
	return have, nil
}

// writeSecrets replaces the file in one step, for whoever reads it at this
// moment and for a kill in between.
func (a *App) writeSecrets(have kept) error {
	content, err := json.MarshalIndent(have, "", "  ")
	if err != nil {
		return err
	}
	next := a.SecretFile() + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("writing the deployer's secret: %w", err)
	}
	if err := os.WriteFile(next, append(content, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the deployer's secret: %w", err)
	}
	if err := os.Rename(next, a.SecretFile()); err != nil {
		return fmt.Errorf("writing the deployer's secret: %w", err)
	}
	return nil
}
