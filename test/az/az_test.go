package az

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// startLimit is how long a local Azure may take to answer; it takes 20 ms.
const startLimit = time.Minute

// variants are the releases of az, by the name of the program in AZ_BIN_DIR.
var variants = map[string]string{"newest": "az", "debian": "az-debian"}

func TestAz(t *testing.T) {
	bin, tools := os.Getenv("AKSESS_BIN"), os.Getenv("AZ_BIN_DIR")
	if bin == "" || tools == "" {
		t.Fatal("AKSESS_BIN and AZ_BIN_DIR name no folders with aksess and az; make e2e-az sets them")
	}
	for variant, program := range variants {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			commands := listCommands(t, filepath.Join(tools, program))
			testscript.Run(t, testscript.Params{
				Dir: "testdata",
				Setup: func(e *testscript.Env) error {
					return setup(e, installed{bin: bin, az: filepath.Join(tools, program), commands: commands})
				},
				Cmds: map[string]func(*testscript.TestScript, bool, []string){"json": compare, "set": set, "login": login, "browse": browse, "until": until},
				Condition: func(name string) (bool, error) {
					if _, known := variants[name]; !known {
						return false, fmt.Errorf("there is no condition %q", name)
					}
					return name == variant, nil
				},
				RequireExplicitExec: true,
				RequireUniqueNames:  true,
			})
		})
	}
}

// azure is what `aksess up -o json` says of a local Azure.
type azure struct {
	ProxyURL       string `json:"proxyUrl"`
	TenantID       string `json:"tenantId"`
	SubscriptionID string `json:"subscriptionId"`
	Deployer       struct {
		ClientID     string `json:"clientId"`
		ClientSecret string `json:"clientSecret"`
	} `json:"deployer"`
	User struct {
		Name     string `json:"name"`
		Password string `json:"password"`
	} `json:"user"`
	SignInPage string `json:"signInPage"`
}

// installed is what a script runs.
type installed struct {
	bin      string // folder of aksess
	az       string // program
	commands string // file, see listCommands
}

// listCommands has az write the list of its commands, and names the file. Az
// makes it when it is not there, and Debian's needs 2 s of a processor for that.
func listCommands(t *testing.T, az string) string {
	dir := t.TempDir()
	cmd := exec.Command(az, "account", "list", "--only-show-errors")
	cmd.Env = append(os.Environ(), "AZURE_CONFIG_DIR="+dir, "AZURE_CORE_COLLECT_TELEMETRY=no", "HOME="+dir)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("az account list: %v: %s", err, text)
	}
	return filepath.Join(dir, "commandIndex.json")
}

// setup starts a local Azure for a script and points its az there.
func setup(e *testscript.Env, with installed) error {
	state := filepath.Join(e.WorkDir, ".state")
	options, err := os.ReadFile(filepath.Join(e.WorkDir, "up.options"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	arguments := append([]string{"up", "-o", "json", "--state", state, "--log-level", "error"}, strings.Fields(string(options))...)
	up := exec.Command(filepath.Join(with.bin, "aksess"), arguments...)
	up.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	report, err := os.Create(filepath.Join(e.WorkDir, ".up.json"))
	if err != nil {
		return err
	}
	defer report.Close()
	up.Stdout, up.Stderr = report, os.Stderr
	if err := up.Start(); err != nil {
		return err
	}
	e.Defer(func() {
		_ = up.Process.Signal(syscall.SIGTERM)
		_ = up.Wait() // it was asked to end
	})
	a, err := await(report.Name())
	if err != nil {
		return err
	}
	variables, err := exec.Command(filepath.Join(with.bin, "aksess"), "env", "--json", "--state", state).Output()
	if err != nil {
		return fmt.Errorf("aksess env: %w", err)
	}
	var environ map[string]string
	if err := json.Unmarshal(variables, &environ); err != nil {
		return err
	}
	for name, value := range environ {
		e.Setenv(name, value)
	}
	e.Setenv("STATE", state)
	return prepare(e, a, with)
}

func prepare(e *testscript.Env, a *azure, with installed) error {
	programs := filepath.Join(e.WorkDir, ".bin")
	if err := os.Mkdir(programs, 0o700); err != nil {
		return err
	}
	if err := os.Symlink(with.az, filepath.Join(programs, "az")); err != nil {
		return err
	}
	config := filepath.Join(e.WorkDir, ".azure")
	if err := os.Mkdir(config, 0o700); err != nil {
		return err
	}
	commands, err := os.ReadFile(with.commands)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(config, filepath.Base(with.commands)), commands, 0o600); err != nil {
		return err
	}
	for name, value := range map[string]string{
		"TENANT": a.TenantID, "SUBSCRIPTION": a.SubscriptionID, "CLIENT_ID": a.Deployer.ClientID, "CLIENT_SECRET": a.Deployer.ClientSecret,
		"USER_NAME": a.User.Name, "USER_PASSWORD": a.User.Password, "SIGN_IN_PAGE": a.SignInPage, "PROXY": a.ProxyURL,
		"AZURE_CONFIG_DIR": config, "AZURE_CORE_NO_COLOR": "true", "AZURE_CORE_ONLY_SHOW_ERRORS": "true",
		"PATH": programs + string(os.PathListSeparator) + with.bin + string(os.PathListSeparator) + e.Getenv("PATH"),
		"HOME": e.WorkDir,
	} {
		e.Setenv(name, value)
	}
	return nil
}

// await waits for the report of a local Azure that answers.
func await(path string) (*azure, error) {
	var a azure
	for until := time.Now().Add(startLimit); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if text, err := os.ReadFile(path); err == nil && json.Unmarshal(text, &a) == nil {
			return &a, nil
		}
	}
	return nil, errors.New("the local Azure has not answered")
}

func login(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: login")
	}
	ts.Check(ts.Exec("az", "login", "--service-principal", "--tenant", ts.Getenv("TENANT"), "--username", ts.Getenv("CLIENT_ID"), "--password="+ts.Getenv("CLIENT_SECRET")))
}

// until runs a program again and again until it succeeds.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: until PROGRAM ARGUMENT…")
	}
	limit := time.Now().Add(startLimit)
	for {
		err := ts.Exec(args[0], args[1:]...)
		if err == nil {
			return
		}
		if time.Now().After(limit) {
			ts.Fatalf("%s does not succeed: %v", strings.Join(args, " "), err)
		}
	}
}

// printed is the JSON that the last exec printed.
func printed(ts *testscript.TestScript) (value any) {
	decoder := json.NewDecoder(bytes.NewReader([]byte(ts.ReadFile("stdout"))))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		ts.Fatalf("the output is not JSON: %v", err)
	}
	return value
}

func compare(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] json FILE")
	}
	var want any
	decoder := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	decoder.UseNumber()
	ts.Check(decoder.Decode(&want))
	difference := holds(ts.Getenv, "", printed(ts), want)
	switch {
	case neg && difference == "":
		ts.Fatalf("the output holds what %s says", args[0])
	case !neg && difference != "":
		ts.Fatalf("%s", difference)
	}
}

// holds says where got does not hold what want says, "" if it does.
func holds(getenv func(string) string, at string, got, want any) string {
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s: got %.200s, want an object", at, fmt.Sprint(got))
		}
		for name, value := range want {
			member, there := object[name]
			if !there {
				return fmt.Sprintf("%s.%s: is not there; there are %v", at, name, keys(object))
			}
			if difference := holds(getenv, at+"."+name, member, value); difference != "" {
				return difference
			}
		}
		return ""
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(want) {
			return fmt.Sprintf("%s: got %d elements (%.200s), want a list of %d", at, len(list), fmt.Sprint(got), len(want))
		}
		for i := range want {
			if difference := holds(getenv, at+"["+strconv.Itoa(i)+"]", list[i], want[i]); difference != "" {
				return difference
			}
		}
		return ""
	case string:
		if text := fmt.Sprint(got); !pattern(os.Expand(want, getenv)).MatchString(text) {
			return fmt.Sprintf("%s: got %q, want %q", at, text, want)
		}
		return ""
	default:
		if fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Sprintf("%s: got %v, want %v", at, got, want)
		}
		return ""
	}
}

func keys(object map[string]any) (names []string) {
	for name := range object {
		names = append(names, name)
	}
	return names
}

// pattern is a text with <guid>, <time>, <text> and <number> in it.
func pattern(text string) *regexp.Regexp {
	quoted := regexp.QuoteMeta(text)
	for name, expression := range map[string]string{
		"<guid>": `[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`, "<time>": `\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:?\d\d)?`,
		"<text>": `.+`, "<number>": `-?[0-9.]+`,
	} {
		quoted = strings.ReplaceAll(quoted, name, expression)
	}
	return regexp.MustCompile(`(?is)^` + quoted + `$`)
}

func set(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: set NAME PATH")
	}
	value := printed(ts)
	for part := range strings.SplitSeq(args[1], ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(v) {
				ts.Fatalf("%s: there is no element %s", args[1], part)
			}
			value = v[i]
		default:
			ts.Fatalf("%s: there is no %s in %v", args[1], part, value)
		}
	}
	if value == nil {
		ts.Fatalf("%s: is not there", args[1])
	}
	ts.Setenv(args[0], fmt.Sprint(value))
}
