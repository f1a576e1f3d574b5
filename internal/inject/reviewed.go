package inject

import "time"

// Decision is what came of a review, and Cause the reason for it. Both come
// from small sets, so that they can be counted.
type (
	Decision string
	Cause    string
)

// The decisions.
const (
	Mutated   Decision = "mutated"
	Unchanged Decision = "unchanged" // the pod has everything already
	Skipped   Decision = "skipped"   // the pod is none of the webhook's business
	Refused   Decision = "denied"    // the pod must not be admitted
	Failed    Decision = "error"     // the webhook could not decide; the pod is not admitted
	NoReview  Decision = "rejected"  // the request was no review, or came at a bad time

	// Those of a Warner, beside Failed and NoReview.
	Admitted Decision = "admitted" // there is nothing to say
	Warned   Decision = "warned"   // admitted as well
)

// The causes.
const (
	CauseNone             Cause = ""
	CauseWarned           Cause = "warned"             // mutated, with warnings
	CauseNoLabel          Cause = "no-label"           // skipped; warned: it seems to be meant
	CauseLabelValue       Cause = "label-value"        // skipped or warned: the label is there with another value
	CauseLabelPlace       Cause = "label-place"        // warned: the label is on another object than the pods, or an annotation
	CauseAnnotation       Cause = "annotation"         // warned: nobody reads it there
	CauseMirrorPod        Cause = "mirror-pod"         // skipped
	CauseNamespace        Cause = "namespace"          // skipped or admitted: kube-system or the webhook's own
	CauseOtherRequest     Cause = "not-a-new-pod"      // skipped
	CauseOtherObject      Cause = "other-object"       // admitted: deleted, a subresource, or nothing with pods
	CauseInvalid          Cause = "invalid"            // denied: a value on the pod or its service account; warned: its pods will be denied
	CauseForbidden        Cause = "forbidden"          // denied: not served here
	CauseNoServiceAccount Cause = "no-service-account" // denied
	CauseNoPod            Cause = "not-a-pod"          // denied: the object is missing or no pod
	CauseAPIServer        Cause = "api-server"         // error: the service account could not be read
	CausePanic            Cause = "panic"              // error
	CauseRequest          Cause = "request"            // rejected: path, method or content type
	CauseTooLarge         Cause = "too-large"          // rejected
	CauseUnreadable       Cause = "unreadable"         // rejected: the body did not end
	CauseMalformed        Cause = "malformed"          // rejected: no AdmissionReview
	CauseBusy             Cause = "busy"               // rejected: too many reviews under way
)

// Outcome is a decision with its cause.
type Outcome struct {
	Decision Decision
	Cause    Cause
}

// Outcomes returns every outcome that a review by a Handler can have.
func Outcomes() []Outcome {
	return []Outcome{
		{Mutated, CauseNone}, {Mutated, CauseWarned}, {Unchanged, CauseNone},
		{Skipped, CauseNoLabel}, {Skipped, CauseLabelValue}, {Skipped, CauseMirrorPod}, {Skipped, CauseNamespace}, {Skipped, CauseOtherRequest},
		{Refused, CauseInvalid}, {Refused, CauseForbidden}, {Refused, CauseNoServiceAccount}, {Refused, CauseNoPod},
		{Failed, CauseAPIServer}, {Failed, CausePanic},
		{NoReview, CauseRequest}, {NoReview, CauseTooLarge}, {NoReview, CauseUnreadable}, {NoReview, CauseMalformed}, {NoReview, CauseBusy},
	}
}

// WarnOutcomes returns every outcome that a review by a Warner can have.
func WarnOutcomes() []Outcome {
	return []Outcome{
		{Admitted, CauseNone}, {Admitted, CauseNamespace}, {Admitted, CauseOtherObject},
		{Warned, CauseNoLabel}, {Warned, CauseLabelValue}, {Warned, CauseLabelPlace}, {Warned, CauseAnnotation}, {Warned, CauseInvalid},
		{Failed, CausePanic},
		{NoReview, CauseRequest}, {NoReview, CauseTooLarge}, {NoReview, CauseUnreadable}, {NoReview, CauseMalformed}, {NoReview, CauseBusy},
	}
}

// Reviewed is one request and what came of it.
type Reviewed struct {
	Outcome
	Duration   time.Duration // from the request's header to the answer
	PatchBytes int

	// Of a request that was a review; the rest of the fields is empty otherwise.
	Namespace      string
	Kind           string // of the object: Pod, for a Handler
	Name           string // name, or prefix of one
	ServiceAccount string // of the pod, or of the pods that the object makes
	// Owner is the object that controls this one or, if it exists already, as at
	// an update, the object itself: where people look. It may be nil.
	Owner    *Owner
	Warnings []string
	DryRun   bool
}

// Owner is an object that controls another.
type Owner struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	UID        string `json:"uid"`
	Controller bool   `json:"controller"`
}
