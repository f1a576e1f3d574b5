{{/* aksess.args: the command line of the webhook. Everything that it is told is here or in aksess.env, so that a change rolls the pods. */}}
{{- define "aksess.args" -}}
{{- $name := include "aksess.name" . }}
- --listen=:{{ .Values.service.targetPort }}
- --health-addr=:{{ .Values.healthPort }}
- {{ printf "--metrics-addr=%s" .Values.metricsAddr | quote }}
- --metrics-backend={{ .Values.metricsBackend }}
{{- with .Values.pprofAddr }}
- {{ printf "--pprof-addr=%s" . | quote }}
{{- end }}
- --drain-delay={{ .Values.drainSeconds }}s
- --tls-min-version={{ .Values.tlsMinVersion }}
- --service-name={{ $name }}
- --webhook-configuration={{ $name }}
{{- if include "aksess.builtin" . }}
- --cert-source=secret
- --cert-secret={{ $name }}-tls
- --ca-secret={{ $name }}-ca
- --lease={{ $name }}
- --ca-life={{ .Values.certificates.caLife }}
- --cert-life={{ .Values.certificates.certLife }}
- --ca-overlap={{ .Values.certificates.caOverlap }}
{{- else }}
- --webhook-cert-dir=/certs
- --disable-cert-rotation
{{- end }}
- --events={{ .Values.events }}
- --log-level={{ .Values.logLevel }}
- --log-format={{ .Values.logFormat }}
{{- with .Values.authorityHost }}
- {{ printf "--authority-host=%s" . | quote }}
{{- end }}
{{- with .Values.audience }}
- {{ printf "--audience=%s" . | quote }}
{{- end }}
- --old-token-path={{ .Values.oldTokenPath }}
- --proxy-sidecar={{ .Values.proxy.sidecar }}
- --proxy-mode={{ .Values.proxy.mode }}
- --proxy-port={{ .Values.proxy.port }}
{{- with .Values.proxy.pass }}
- {{ printf "--proxy-pass=%s" . | quote }}
{{- end }}
- --proxy-pull-policy={{ .Values.proxy.image.pullPolicy }}
- --proxy-init-privileged={{ .Values.proxy.initPrivileged }}
- {{ printf "--proxy-resources=%s" (toJson (.Values.proxy.resources | default dict)) | quote }}
- {{ printf "--proxy-init-resources=%s" (toJson (.Values.proxy.initResources | default dict)) | quote }}
{{- if .Values.warnWebhook.enabled }}
- --warn-webhook
{{- end }}
{{- with .Values.customTokenEndpoint.annotationSuffix }}
- {{ printf "--custom-token-endpoint-annotation-suffix=%s" . | quote }}
{{- end }}
{{- with .Values.customTokenEndpoint.audience }}
- {{ printf "--custom-token-endpoint-audience=%s" . | quote }}
{{- end }}
{{- include "aksess.localAzureArgs" . }}
{{- range .Values.extraArgs }}
- {{ quote . }}
{{- end }}
{{- end }}

{{- define "aksess.localAzureArgs" -}}
{{- with .Values.localAzure }}
{{- with .proxyURL }}
- {{ printf "--local-azure-proxy=%s" . | quote }}
{{- end }}
{{- with .noProxy }}
- {{ printf "--local-azure-no-proxy=%s" . | quote }}
{{- end }}
{{- if .ca }}
- --local-azure-ca=/etc/aksess/local-azure/ca.crt
{{- end }}
{{- with .caConfigMap }}
- {{ printf "--local-azure-ca-config-map=%s" . | quote }}
{{- end }}
{{- with .trustStoreKey }}
- {{ printf "--local-azure-trust-store-key=%s" . | quote }}
{{- end }}
{{- with .trustStorePassword }}
- {{ printf "--local-azure-trust-store-password=%s" . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* aksess.env: the environment of the webhook. A variable of extraEnv wins over the chart's own, as in upstream's chart: none is there twice, which server-side apply refuses. */}}
{{- define "aksess.env" -}}
{{- if not .Values.extraEnv }}
{{- include "aksess.ownEnv" . }}
{{- else }}
{{- $further := dict }}
{{- range .Values.extraEnv }}
{{- $_ := set $further .name true }}
{{- end }}
{{- $variables := list }}
{{- range include "aksess.ownEnv" . | fromYamlArray }}
{{- if not (hasKey $further .name) }}
{{- $variables = append $variables . }}
{{- end }}
{{- end }}
{{- concat $variables .Values.extraEnv | toYaml }}
{{- end }}
{{- end }}

{{- define "aksess.ownEnv" -}}
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      apiVersion: v1
      fieldPath: metadata.namespace
- name: POD_NAME
  valueFrom:
    fieldRef:
      apiVersion: v1
      fieldPath: metadata.name
- name: AZURE_TENANT_ID
  value: {{ required "A valid .Values.azureTenantID entry required!" .Values.azureTenantID | quote }}
- name: AZURE_ENVIRONMENT
  value: {{ .Values.azureEnvironment | quote }}
{{- with .Values.proxy }}
{{- if .image.repository }}
- name: PROXY_IMAGE
  value: {{ include "aksess.image" (dict "image" .image "root" $) | quote }}
{{- end }}
{{- if .initImage.repository }}
- name: PROXY_INIT_IMAGE
  value: {{ include "aksess.image" (dict "image" .initImage "root" $) | quote }}
{{- end }}
{{- end }}
{{- $names := dict
  "AZURE_KUBERNETES_TOKEN_PROXY" "azureKubernetesTokenProxy"
  "AZURE_KUBERNETES_SNI_NAME" "azureKubernetesSniName"
  "AZURE_KUBERNETES_CA_DATA" "azureKubernetesCaData"
  "AZURE_KUBERNETES_CA_CONFIGMAP_NAME" "azureKubernetesCAConfigMapName"
  "AZURE_KUBERNETES_CA_CTB_SIGNER_NAME" "azureKubernetesCACTBSignerName"
  "AZURE_KUBERNETES_CA_CTB_LABEL_SELECTOR" "azureKubernetesCACTBLabelSelector" }}
{{- range $variable := keys $names | sortAlpha }}
{{- with index $.Values.customTokenEndpoint (index $names $variable) }}
- name: {{ $variable }}
  value: {{ quote . }}
{{- end }}
{{- end }}
{{- end }}

{{/* aksess.mounts and aksess.volumes: never the certificate authority's key. */}}
{{- define "aksess.mounts" -}}
{{- if not (include "aksess.builtin" .) }}
- name: certificates
  mountPath: /certs
  readOnly: true
{{- end }}
{{- if .Values.localAzure.ca }}
- name: local-azure
  mountPath: /etc/aksess/local-azure
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "aksess.volumes" -}}
{{- if not (include "aksess.builtin" .) }}
- name: certificates
  secret:
    secretName: {{ include "aksess.name" . }}-cert
    items:
      - key: tls.crt
        path: tls.crt
      - key: tls.key
        path: tls.key
{{- end }}
{{- if .Values.localAzure.ca }}
- name: local-azure
  configMap:
    name: {{ include "aksess.name" . }}-local-azure
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
