{{/* The name of all objects. */}}
{{- define "sekisho.name" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains "sekisho" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-sekisho" .Release.Name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Labels that select the pods of all components. */}}
{{- define "sekisho.selector" -}}
app.kubernetes.io/name: sekisho
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sekisho.labels" -}}
{{ include "sekisho.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "sekisho.image" -}}
{{- $image := .Values.images.sekisho -}}
{{ .Values.images.registry | trimSuffix "/" }}/{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "sekisho.host" -}}
{{ regexReplaceAll ":[0-9]+$" (urlParse .Values.externalUrl).host "" }}
{{- end }}

{{- define "sekisho.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "sekisho.name" .) }}
{{- else }}{{ .Values.serviceAccount.name | default "default" }}{{ end }}
{{- end }}

{{/* The Secret with the server's certificate; empty: own CA, or plain HTTP. */}}
{{- define "sekisho.tlsSecret" -}}
{{- if eq .Values.tls.source "secret" }}{{ .Values.tls.secret }}
{{- else if eq .Values.tls.source "certManager" }}{{ include "sekisho.name" . }}-tls{{ end }}
{{- end }}

{{- define "sekisho.scheme" -}}
{{ if eq .Values.tls.source "none" }}HTTP{{ else }}HTTPS{{ end }}
{{- end }}

{{/* The CA by which Prometheus verifies the metrics listener; nothing: a public CA. */}}
{{- define "sekisho.scrapeCa" -}}
{{- $ca := .Values.tls.ca -}}
{{- if and (eq .Values.tls.source "certManager") .Values.tls.certManager.createCa -}}
ca: {secret: {name: {{ include "sekisho.tlsSecret" . }}, key: ca.crt}}
{{- else if $ca.secret -}}
ca: {secret: {name: {{ $ca.secret }}, key: {{ $ca.key }}}}
{{- else if $ca.configMap -}}
ca: {configMap: {name: {{ $ca.configMap }}, key: {{ $ca.key }}}}
{{- end }}
{{- end }}
