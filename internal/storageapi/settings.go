package storageapi

import (
	"bytes"
	"encoding/xml"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
)

// maxSettings bounds the body of Set Service Properties.
const maxSettings = 64 << 10 // bytes

// maxRules is how many CORS rules a service has.
const maxRules = 5

// settingsXML is the body of Get and Set Service Properties
// (https://learn.microsoft.com/rest/api/storageservices/set-blob-service-properties#request-body).
type settingsXML struct {
	XMLName         xml.Name      `xml:"StorageServiceProperties"`
	Logging         *loggingXML   `xml:"Logging"`
	HourMetrics     *metricsXML   `xml:"HourMetrics"`
	MinuteMetrics   *metricsXML   `xml:"MinuteMetrics"`
	CORS            *corsXML      `xml:"Cors"`
	DefaultVersion  *string       `xml:"DefaultServiceVersion"`
	DeleteRetention *retentionXML `xml:"DeleteRetentionPolicy"`
	Website         *websiteXML   `xml:"StaticWebsite"`
}

type loggingXML struct {
	Version   string       `xml:"Version"`
	Delete    bool         `xml:"Delete"`
	Read      bool         `xml:"Read"`
	Write     bool         `xml:"Write"`
	Retention retentionXML `xml:"RetentionPolicy"`
}

type metricsXML struct {
	Version     string       `xml:"Version"`
	Enabled     bool         `xml:"Enabled"`
	IncludeAPIs *bool        `xml:"IncludeAPIs"`
	Retention   retentionXML `xml:"RetentionPolicy"`
}

type retentionXML struct {
	Enabled   bool  `xml:"Enabled"`
	Days      *int  `xml:"Days"`
	Permanent *bool `xml:"AllowPermanentDelete"`
}

type corsXML struct {
	Rules []ruleXML `xml:"CorsRule"`
}

type ruleXML struct {
	Origins string `xml:"AllowedOrigins"`
	Methods string `xml:"AllowedMethods"`
	Headers string `xml:"AllowedHeaders"`
	Exposed string `xml:"ExposedHeaders"`
	MaxAge  int    `xml:"MaxAgeInSeconds"`
}

type websiteXML struct {
	Enabled      bool   `xml:"Enabled"`
	Index        string `xml:"IndexDocument,omitempty"`
	Error404     string `xml:"ErrorDocument404Path,omitempty"`
	DefaultIndex string `xml:"DefaultIndexDocumentPath,omitempty"`
}

// ServiceOperations get and set the properties of the plane's service.
func (p *Plane) ServiceOperations() []azapi.Operation {
	service := storage.TypeAccount + "/" + p.Name + "Services"
	query := Selectors("service", "properties")
	return []azapi.Operation{
		{Name: "GetServiceProperties", Method: http.MethodGet, Pattern: "/", Query: query,
			Action: azapi.Control(service + "/read"), Scope: p.ServiceScope, Handle: p.getSettings},
		{Name: "SetServiceProperties", Method: http.MethodPut, Pattern: "/", Query: query, MaxBody: maxSettings,
			Action: azapi.Control(service + "/write"), Scope: p.ServiceScope, Handle: p.setSettings},
	}
}

// getSettings: https://learn.microsoft.com/rest/api/storageservices/get-blob-service-properties
func (p *Plane) getSettings(w http.ResponseWriter, r *azapi.Request) error {
	s, err := p.services.Get(r.Context(), Of(r).Account, p.Name)
	if err != nil {
		return err
	}
	answer := settingsXML{HourMetrics: metricsOf(s.HourMetrics), MinuteMetrics: metricsOf(s.MinuteMetrics), CORS: &corsXML{}}
	for _, rule := range s.CORS {
		answer.CORS.Rules = append(answer.CORS.Rules, ruleXML{
			Origins: strings.Join(rule.Origins, ","), Methods: strings.Join(rule.Methods, ","),
			Headers: strings.Join(rule.Headers, ","), Exposed: strings.Join(rule.Exposed, ","), MaxAge: rule.MaxAge,
		})
	}
	if p.Name != "file" {
		answer.Logging = loggingOf(s.Logging)
	}
	if p.Name == "blob" {
		if s.DefaultVersion != "" {
			answer.DefaultVersion = &s.DefaultVersion
		}
		answer.DeleteRetention = retentionOf(s.DeleteRetention.Retention)
		answer.DeleteRetention.Permanent = &s.DeleteRetention.AllowPermanentDelete
		answer.Website = &websiteXML{s.Website.Enabled, s.Website.IndexDocument, s.Website.ErrorDocument404, s.Website.DefaultIndexPath}
	}
	return azapi.WriteXML(w, http.StatusOK, answer)
}

func retentionOf(r storage.Retention) *retentionXML {
	shown := &retentionXML{Enabled: r.Enabled}
	if r.Enabled {
		shown.Days = &r.Days
	}
	return shown
}

func metricsOf(m storage.Metrics) *metricsXML {
	return &metricsXML{Version: versionOf(m.Version), Enabled: m.Enabled, IncludeAPIs: m.IncludeAPIs, Retention: *retentionOf(m.Retention)}
}

func loggingOf(l storage.Logging) *loggingXML {
	return &loggingXML{versionOf(l.Version), l.Delete, l.Read, l.Write, *retentionOf(l.Retention)}
}

func versionOf(version string) string {
	if version == "" {
		return "1.0"
	}
	return version
}

// setSettings changes what the body names and leaves the rest as it is
// (https://learn.microsoft.com/rest/api/storageservices/set-blob-service-properties).
func (p *Plane) setSettings(w http.ResponseWriter, r *azapi.Request) error {
	var sent settingsXML
	if err := DecodeXML(r, maxSettings, &sent); err != nil {
		return err
	}
	err := p.services.Update(r.Context(), Of(r).Account, p.Name, func(s *storage.Settings) error { return sent.apply(p.Name, s) })
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// DecodeXML reads a body of at most limit bytes. What it returns tells the client why not.
func DecodeXML(r *azapi.Request, limit int64, into any) error {
	body, err := readBody(r, limit)
	if err != nil {
		return err
	}
	return unmarshal(body, into)
}

// unmarshal reads a document with nothing but space after it.
func unmarshal(body []byte, into any) error {
	d := xml.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(into); err != nil {
		return BadXML("The body is not the XML that the operation takes.").With(err)
	}
	if len(bytes.TrimSpace(body[d.InputOffset():])) > 0 {
		return BadXML("Something follows the document.")
	}
	return nil
}

func readBody(r *azapi.Request, limit int64) ([]byte, error) {
	body, err := r.ReadBody()
	var bad *azapi.ErrBody
	if errors.As(err, &bad) && bad.TooLarge {
		return nil, TooLarge(limit)
	}
	if err != nil {
		return nil, storage.InvalidInput.New().With(err)
	}
	return body, nil
}

func (x *settingsXML) apply(service string, s *storage.Settings) error {
	if (x.DefaultVersion != nil || x.DeleteRetention != nil || x.Website != nil) && service != "blob" || x.Logging != nil && service == "file" {
		return BadXML("The " + service + " service has no such property.")
	}
	if err := x.applyCounters(s); err != nil {
		return err
	}
	if x.CORS != nil {
		rules, err := x.CORS.rules()
		if err != nil {
			return err
		}
		s.CORS = rules
	}
	if x.DefaultVersion != nil {
		s.DefaultVersion = *x.DefaultVersion
	}
	if x.DeleteRetention != nil {
		kept, err := x.DeleteRetention.retention()
		if err != nil {
			return err
		}
		s.DeleteRetention = storage.DeleteRetention{Retention: kept, AllowPermanentDelete: x.DeleteRetention.Permanent != nil && *x.DeleteRetention.Permanent}
	}
	if x.Website != nil {
		s.Website = storage.Website{Enabled: x.Website.Enabled, IndexDocument: x.Website.Index, ErrorDocument404: x.Website.Error404, DefaultIndexPath: x.Website.DefaultIndex}
	}
	return nil
}

func (x *settingsXML) applyCounters(s *storage.Settings) error {
	for _, m := range []struct {
		sent *metricsXML
		into *storage.Metrics
	}{{x.HourMetrics, &s.HourMetrics}, {x.MinuteMetrics, &s.MinuteMetrics}} {
		if m.sent == nil {
			continue
		}
		kept, err := m.sent.Retention.retention()
		if err != nil {
			return err
		}
		*m.into = storage.Metrics{Version: m.sent.Version, Enabled: m.sent.Enabled, IncludeAPIs: m.sent.IncludeAPIs, Retention: kept}
	}
	if x.Logging == nil {
		return nil
	}
	kept, err := x.Logging.Retention.retention()
	if err != nil {
		return err
	}
	s.Logging = storage.Logging{Version: x.Logging.Version, Delete: x.Logging.Delete, Read: x.Logging.Read, Write: x.Logging.Write, Retention: kept}
	return nil
}

func (x *retentionXML) retention() (storage.Retention, error) {
	if !x.Enabled {
		return storage.Retention{}, nil
	}
	if x.Days == nil || *x.Days < 1 || *x.Days > 365 {
		return storage.Retention{}, BadXML("Days of a retention policy are 1 to 365.")
	}
	return storage.Retention{Enabled: true, Days: *x.Days}, nil
}

func (x *corsXML) rules() ([]storage.CORSRule, error) {
	if len(x.Rules) > maxRules {
		return nil, BadXML("A service has at most 5 CORS rules.")
	}
	var rules []storage.CORSRule
	for _, sent := range x.Rules {
		rule := storage.CORSRule{
			Origins: listOf(sent.Origins), Methods: listOf(sent.Methods), Headers: listOf(sent.Headers), Exposed: listOf(sent.Exposed), MaxAge: sent.MaxAge,
		}
		if !rule.Valid() {
			return nil, BadXML("A CORS rule needs origins, methods that exist and a maximum age of at least 0.")
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

func listOf(text string) []string {
	all := strings.Split(text, ",")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return slices.DeleteFunc(all, func(one string) bool { return one == "" })
}
