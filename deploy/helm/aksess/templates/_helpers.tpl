{{- define "aksess.name" -}}
{{ .Values.fullnameOverride }}
{{- end }}

{{- define "aksess.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "aksess.name" .) }}
{{- end }}

{{- define "aksess.selector" -}}
app.kubernetes.io/name: aksess-webhook
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "aksess.labels" -}}
{{ include "aksess.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: aksess
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* aksess.image: REPOSITORY@DIGEST or REPOSITORY:TAG of (dict "image" IMAGE "root" $). */}}
{{- define "aksess.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.release | default .root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* aksess.metricsPort: the port of metricsAddr, empty when there are no metrics. */}}
{{- define "aksess.metricsPort" -}}
{{- if not (has .Values.metricsAddr (list "" "0")) -}}
{{ regexFind "[0-9]+$" .Values.metricsAddr }}
{{- end -}}
{{- end }}

{{/* aksess.builtin: "true" when the webhook makes its certificates itself. */}}
{{- define "aksess.builtin" -}}
{{- if eq .Values.certificates.source "built-in" }}true{{ end -}}
{{- end }}

{{/* aksess.grace: seconds that a pod has to end. */}}
{{- define "aksess.grace" -}}
{{- $drain := int .Values.drainSeconds -}}
{{- $grace := add $drain 25 | int -}}
{{- if not (kindIs "invalid" .Values.terminationGracePeriodSeconds) -}}
{{- $grace = int .Values.terminationGracePeriodSeconds -}}
{{- end -}}
{{- if lt $grace (int (add $drain 15)) -}}
{{- fail (printf "terminationGracePeriodSeconds is %d: with drainSeconds %d it must be at least %d, or reviews under way are cut off" $grace $drain (add $drain 15)) -}}
{{- end -}}
{{ $grace }}
{{- end }}

{{/* aksess.namespaceSelector: the user's selector, and never kube-system or the webhook's own namespace, whose pods must start without it. */}}
{{- define "aksess.namespaceSelector" -}}
{{- $own := dict "key" "kubernetes.io/metadata.name" "operator" "NotIn" "values" (concat (list "kube-system" .Release.Namespace) (.Values.excludedNamespaces | default list) | uniq) -}}
{{- $selector := deepCopy (.Values.mutatingWebhookNamespaceSelector | default dict) -}}
{{- if .Values.aksNamespaceSelector -}}
{{- $expressions := list (dict "key" "control-plane" "operator" "NotIn" "values" (list "true")) (dict "key" "kubernetes.azure.com/managedby" "operator" "NotIn" "values" (list "aks")) -}}
{{- $_ := set $selector "matchExpressions" (concat (get $selector "matchExpressions" | default list) $expressions) -}}
{{- end -}}
{{- $_ := set $selector "matchExpressions" (append (get $selector "matchExpressions" | default list) $own) -}}
{{ toYaml $selector }}
{{- end }}
