package inject

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"github.com/aksess/aksess/internal/chain"
)

// Suspect looks at an object that the webhook does not change and says what
// makes it look as if its pods were meant to take part in workload identity,
// each time with the line to change: the label missing, on the wrong object or
// with another value, annotations where nobody reads them. Kind is the object's
// (Pod, ServiceAccount, or one with a template of pods), sa the service account
// of its pods, zero if it is not known. It is pure. The error says that the
// JSON is no such object.
//
// A pod with the label is not suspect: what is wrong with it, [Mutate] says.
func Suspect(kind string, object []byte, sa ServiceAccount, cfg Config) ([]string, error) {
	s, err := parseSuspect(kind, object)
	if err != nil {
		return nil, err
	}
	return s.warnings(sa, cfg).texts, nil
}

// suspicions are what there is to say about an object, what matters most first.
type suspicions struct {
	cause Cause // of the first
	texts []string
}

func (s *suspicions) add(cause Cause, texts ...string) {
	if s.cause == CauseNone && len(texts) > 0 {
		s.cause = cause
	}
	s.texts = append(s.texts, texts...)
}

// suspect is the narrow view of an object with pods.
type suspect struct {
	kind  string
	owned bool       // by an object that is looked at itself
	own   []metadata // the object's, and a CronJob's jobs'; the pod's own is not among them
	pod   metadata   // of the pods
	path  string     // where that is: "", "spec.template.", …

	account string // name of the service account
}

type suspectObject struct {
	Metadata struct {
		metadata
		UID string `json:"uid"` // "" for a new object
	} `json:"metadata"`
	Spec struct {
		suspectSpec
		Template    *suspectTemplate `json:"template"`
		JobTemplate *struct {
			Metadata metadata `json:"metadata"`
			Spec     struct {
				Template suspectTemplate `json:"template"`
			} `json:"spec"`
		} `json:"jobTemplate"`
	} `json:"spec"`
}

type suspectTemplate struct {
	Metadata metadata    `json:"metadata"`
	Spec     suspectSpec `json:"spec"`
}

type suspectSpec struct {
	ServiceAccountName string `json:"serviceAccountName"`
	OldServiceAccount  string `json:"serviceAccount"`
}

func (s suspectSpec) accountName() string {
	p := Pod{Spec: spec{ServiceAccountName: s.ServiceAccountName, OldServiceAccount: s.OldServiceAccount}}
	return p.ServiceAccountName()
}

func parseSuspect(kind string, raw []byte) (*suspect, error) {
	var object suspectObject
	if err := json.Unmarshal(raw, &object); err != nil {
		return nil, fmt.Errorf("reading %s: %w", quote(kind), err)
	}
	return newSuspect(kind, &object), nil
}

func newSuspect(kind string, o *suspectObject) *suspect {
	if strings.ContainsFunc(kind, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		kind = quote(kind)
	}
	s := &suspect{kind: kind, pod: o.Metadata.metadata, account: o.Spec.accountName()}
	switch {
	case o.Spec.JobTemplate != nil:
		s.own, s.path = []metadata{s.pod, o.Spec.JobTemplate.Metadata}, "spec.jobTemplate.spec.template."
		s.pod, s.account = o.Spec.JobTemplate.Spec.Template.Metadata, o.Spec.JobTemplate.Spec.Template.Spec.accountName()
	case o.Spec.Template != nil:
		s.own, s.path = []metadata{s.pod}, "spec.template."
		s.pod, s.account = o.Spec.Template.Metadata, o.Spec.Template.Spec.accountName()
	}
	for _, owner := range o.Metadata.Owners {
		// Their pods are looked at as well; once more in between says nothing new.
		s.owned = s.owned || owner.Controller && (owner.Kind == "Deployment" || owner.Kind == "CronJob")
	}
	return s
}

// asks returns the service account that matters, "" if none does: it does only
// where nothing else says that the label is missing.
func (s *suspect) asks(cfg Config) string {
	_, labelled := s.pod.Labels[chain.LabelUse]
	if labelled || s.kind == "ServiceAccount" || s.skipped() {
		return ""
	}
	if cause, _ := s.label(ServiceAccount{}, cfg); cause != CauseNone {
		return ""
	}
	return s.account
}

// skipped reports whether nothing is said about the object: somebody opted out,
// or it is looked at elsewhere.
func (s *suspect) skipped() bool {
	_, mirror := s.pod.Annotations[chain.AnnotationMirrorPod]
	return mirror || s.owned || strings.EqualFold(s.pod.Labels[chain.LabelUse], "false") ||
		s.kind == "Pod" && s.pod.Labels[chain.LabelUse] == "true"
}

func (s *suspect) warnings(sa ServiceAccount, cfg Config) suspicions {
	var found suspicions
	switch {
	case s.skipped():
	case s.kind == "ServiceAccount":
		sa.Name, sa.Annotations = s.name(), s.pod.Annotations
		return s.accountWarnings(sa, cfg)
	default:
		if cause, text := s.label(sa, cfg); cause != CauseNone {
			found.add(cause, text)
		}
		found.add(CauseAnnotation, s.misplaced(cfg)...)
	}
	return found
}

// label says why the pods do not take part, though they seem to want to.
func (s *suspect) label(sa ServiceAccount, cfg Config) (Cause, string) {
	use, labelled := s.pod.Labels[chain.LabelUse]
	add := ": add " + labelLine + " to " + s.path + "metadata.labels"
	switch {
	case use == "true":
		return CauseNone, ""
	case labelled:
		return CauseLabelValue, "label " + chain.LabelUse + " of " + s.pods() + " has value " + brief(use) + `, not "true": set ` + labelLine + " in " + s.path + "metadata.labels"
	}
	for _, own := range s.own {
		if value, ok := own.Labels[chain.LabelUse]; ok && !strings.EqualFold(value, "false") {
			return CauseLabelPlace, "label " + chain.LabelUse + " is on " + s.title() + ", not on its pods" + add
		}
	}
	if value, ok := s.pod.Annotations[chain.LabelUse]; ok && !strings.EqualFold(value, "false") {
		return CauseLabelPlace, chain.LabelUse + " is an annotation of " + s.pods() + ", not a label" + add
	}
	for _, key := range podKeys(cfg) {
		if wanted(s.pod.Annotations, key) {
			return CauseNoLabel, "annotation " + key + " of " + s.pods() + " does nothing without the label" + add
		}
	}
	if sa.Annotations[chain.AnnotationClientID] != "" || sa.Annotations[chain.AnnotationClientIDs] != "" {
		return CauseNoLabel, s.title() + " runs as service account " + brief(s.account) + ", which has an identity, without the label" + add
	}
	return CauseNone, ""
}

// misplaced says which annotations nobody reads where they are.
func (s *suspect) misplaced(cfg Config) []string {
	var warnings []string
	warn := func(key, where, belongs string) {
		warnings = append(warnings, "annotation "+key+" in "+where+" of "+s.title()+" does nothing there: move it to "+belongs)
	}
	account := "service account " + brief(s.account)
	for i, own := range s.own {
		where := "metadata.annotations"
		if i > 0 {
			where = "spec.jobTemplate." + where
		}
		for _, key := range podKeys(cfg) {
			if wanted(own.Annotations, key) {
				warn(key, where, s.path+"metadata.annotations")
			}
		}
		for _, key := range accountAnnotations() {
			if _, ok := own.Annotations[key]; ok {
				warn(key, where, account)
			}
		}
	}
	for _, key := range accountAnnotations() {
		if _, ok := s.pod.Annotations[key]; ok {
			warn(key, s.path+"metadata.annotations", account)
		}
	}
	for _, m := range append(s.own, s.pod) {
		for _, key := range unread(m.Annotations, podKeys(cfg)) {
			warnings = append(warnings, unreadWarning(key, s.title(), podKeys(cfg)))
		}
	}
	return warnings
}

// accountWarnings are those of a service account itself, whose pods would be
// refused or not take part.
func (s *suspect) accountWarnings(sa ServiceAccount, cfg Config) suspicions {
	var found suspicions
	_, err := identify(sa, cfg)
	if err == nil {
		_, err = Expiration(sa)
	}
	if err != nil {
		found.add(CauseInvalid, "its pods will be refused: "+err.Error())
	}
	if _, ok := s.pod.Labels[chain.LabelUse]; ok {
		found.add(CauseLabelPlace, "label "+chain.LabelUse+" does nothing on "+s.title()+": add "+labelLine+" to the labels of its pods")
	}
	for _, key := range podKeys(cfg) {
		if key != chain.AnnotationTokenExpiration && wanted(s.pod.Annotations, key) {
			found.add(CauseAnnotation, "annotation "+key+" does nothing on "+s.title()+": move it to the annotations of its pods")
		}
	}
	for _, key := range unread(s.pod.Annotations, podKeys(cfg)) {
		found.add(CauseAnnotation, unreadWarning(key, s.title(), ServiceAccountAnnotations()))
	}
	return found
}

// labelLine is what a manifest has to say.
const labelLine = chain.LabelUse + `: "true"`

// wanted reports whether an annotation is there and asks for something.
func wanted(annotations map[string]string, key string) bool {
	value, ok := annotations[key]
	return ok && !strings.EqualFold(value, "false")
}

// title names the object as people know it.
func (s *suspect) title() string { return s.kind + " " + brief(s.name()) }

func (s *suspect) pods() string {
	if len(s.own) == 0 {
		return s.title()
	}
	return "the pods of " + s.title()
}

func (s *suspect) name() string {
	m := s.pod
	if len(s.own) > 0 {
		m = s.own[0]
	}
	p := Pod{Metadata: m}
	return p.DisplayName()
}

// brief is quote for messages that name several things.
func brief(name string) string {
	const limit = 32
	if len(name) > limit {
		name = strings.ToValidUTF8(name[:limit], "") + "…"
	}
	return quote(name)
}
