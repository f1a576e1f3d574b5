{{/* aksess.validate: what the webhook would refuse when it starts is refused before, as far as a template can tell. */}}
{{- define "aksess.validate" -}}
{{- if hasKey (.Values.podLabels | default dict) "azure.workload.identity/use" -}}
{{- fail "podLabels must not hold azure.workload.identity/use: the webhook's own pods have to start without the webhook" -}}
{{- end -}}
{{- with .Values.customTokenEndpoint -}}
{{- $sources := compact (list .azureKubernetesCaData .azureKubernetesCAConfigMapName .azureKubernetesCACTBSignerName) -}}
{{- if and (not .azureKubernetesTokenProxy) (or $sources .azureKubernetesSniName .azureKubernetesCACTBLabelSelector .annotationSuffix .audience) -}}
{{- fail "customTokenEndpoint.azureKubernetesTokenProxy is missing: the other customTokenEndpoint values need it" -}}
{{- end -}}
{{- if gt (len $sources) 1 -}}
{{- fail "customTokenEndpoint takes one of azureKubernetesCaData, azureKubernetesCAConfigMapName and azureKubernetesCACTBSignerName" -}}
{{- end -}}
{{- if and .azureKubernetesCACTBLabelSelector (not .azureKubernetesCACTBSignerName) -}}
{{- fail "customTokenEndpoint.azureKubernetesCACTBLabelSelector needs azureKubernetesCACTBSignerName" -}}
{{- end -}}
{{- end -}}
{{- with .Values.localAzure -}}
{{- if and (not .proxyURL) (or .noProxy .ca .caConfigMap .trustStoreKey .trustStorePassword) -}}
{{- fail "localAzure.proxyURL is missing: the other localAzure values need it" -}}
{{- end -}}
{{- if and .proxyURL (eq (empty .ca) (empty .caConfigMap)) -}}
{{- fail "localAzure takes one of ca and caConfigMap" -}}
{{- end -}}
{{- if and .trustStoreKey (not .caConfigMap) -}}
{{- fail "localAzure.trustStoreKey needs caConfigMap, which holds the trust store" -}}
{{- end -}}
{{- end -}}
{{- end }}
