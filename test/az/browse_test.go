package az

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/net/html"
)

// codeLimit is how long az may take to show a code.
const codeLimit = time.Minute

// askedFor is what az says when it waits for somebody to sign in elsewhere.
var askedFor = regexp.MustCompile(`open the page (http://\S+) and enter the code ([A-Z0-9]+) to authenticate`)

// browse does what a person does with a browser that az sends away: opens the
// page, enters the code, then name and password, and sees that it is done.
func browse(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: browse PROMPT")
	}
	page, code, err := asked(ts.MkAbs(args[0]))
	ts.Check(err)
	b := browser{client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{}}}
	ts.Check(b.open(page))
	ts.Check(b.submit(url.Values{"user_code": {code}}))
	ts.Check(b.submit(url.Values{"username": {ts.Getenv("USER_NAME")}, "password": {ts.Getenv("USER_PASSWORD")}, "action": {"accept"}}))
	if len(b.fields) > 0 {
		ts.Fatalf("the page asks for %v once more", b.fields)
	}
}

// asked waits until the file names a page and a code.
func asked(path string) (page, code string, err error) {
	var text []byte
	for until := time.Now().Add(codeLimit); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if text, err = os.ReadFile(path); err != nil {
			continue // not there yet
		}
		if found := askedFor.FindSubmatch(text); found != nil {
			return string(found[1]), string(found[2]), nil
		}
	}
	return "", "", errors.Join(err, fmt.Errorf("az has shown no code: %q", text))
}

// browser is at a page with one form at most.
type browser struct {
	client *http.Client
	at     *url.URL
	fields url.Values // what the form holds before anything is entered
}

// open goes to an address.
func (b *browser) open(address string) error {
	resp, err := b.client.Get(address)
	if err != nil {
		return err
	}
	return b.read(resp)
}

// submit sends the form with what is entered.
func (b *browser) submit(entered url.Values) error {
	for name, values := range entered {
		if _, there := b.fields[name]; !there {
			return fmt.Errorf("%s: the form has no field %s: %v", b.at, name, b.fields)
		}
		b.fields[name] = values
	}
	resp, err := b.client.PostForm(b.at.String(), b.fields)
	if err != nil {
		return err
	}
	return b.read(resp)
}

// read takes in the page of a response.
func (b *browser) read(resp *http.Response) error {
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, err := io.ReadAll(resp.Body)
		return errors.Join(err, fmt.Errorf("%s: got %s: %s", resp.Request.URL, resp.Status, text))
	}
	page, err := html.Parse(resp.Body)
	if err != nil {
		return err
	}
	b.at, b.fields = resp.Request.URL, url.Values{}
	for node := range page.Descendants() {
		if node.Type != html.ElementNode {
			continue
		}
		switch name := attribute(node, "name"); {
		case node.Data == "form" && attribute(node, "action") != "":
			return fmt.Errorf("%s: the form goes to %s, expected the page itself", b.at, attribute(node, "action"))
		case name != "" && (node.Data == "input" || node.Data == "button"):
			b.fields[name] = []string{attribute(node, "value")}
		}
	}
	return nil
}

// attribute returns an attribute's value, "" if the element has none.
func attribute(node *html.Node, name string) string {
	for _, a := range node.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
