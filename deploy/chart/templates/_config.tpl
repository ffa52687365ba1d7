{{/*
sekisho.yaml of one component: what the chart decides, over .Values.config. Secrets are not in it:
they are files and environment variables of the pods.
*/}}
{{- define "sekisho.config" -}}
{{- $values := .root.Values -}}
{{- $tls := dict -}}
{{- if include "sekisho.tlsSecret" .root }}
{{- $_ := set $tls "cert_file" "/etc/sekisho/tls/tls.crt" }}
{{- $_ := set $tls "key_file" "/etc/sekisho/tls/tls.key" }}
{{- end }}
{{- if eq $values.tls.source "none" }}{{ $_ := set $tls "plain_http" true }}{{ end }}
{{- if and (eq $values.tls.source "certManager") $values.tls.certManager.createCa }}
{{- $_ := set $tls "ca_file" "/etc/sekisho/tls/ca.crt" }}
{{- else if or $values.tls.ca.secret $values.tls.ca.configMap }}
{{- $_ := set $tls "ca_file" "/etc/sekisho/ca/ca.crt" }}
{{- end }}
{{- $server := dict
  "listen" ":8443"
  "external_url" $values.externalUrl
  "tls" $tls
  "workers" $values.server.workers
  "trusted_proxies" $values.server.trustedProxies
  "shutdown_delay" (printf "%ds" (int $values.server.shutdownDelaySeconds))
  "shutdown_grace_seconds" (int $values.server.shutdownGraceSeconds) }}
{{- $made := dict
  "server" $server
  "metrics" (dict "listen" (include "sekisho.metricsListen" .root))
  "data_dir" "/var/lib/sekisho/data"
  "store" (dict "auto_upgrade" (eq $values.migrations.mode "start"))
  "controllers" (dict "enabled" .controllers)
  "images" (dict "agent" (include "sekisho.image" .root))
  "audit" (dict "output" $values.audit.output) }}
{{- if $values.metrics.token.secret }}
{{- $_ := set $made.metrics "token_file" "/etc/sekisho/metrics/token" }}
{{- end }}
{{- if $values.metrics.tls }}
{{- $_ := set $made.metrics "tls" (dict "from_server" true) }}
{{- end }}
{{- if eq $values.database.type "postgresql" }}
{{- $_ := set $made "peering" (dict "listen" ":9444") }}
{{- end }}
{{- if $values.encryption.secret.name }}
{{- $_ := set $made.store "encryption_keys_file" "/etc/sekisho/encryption/keys" }}
{{- end }}
{{- $providers := list }}
{{- range $provider := $values.providers }}
{{- $entry := omit $provider "secrets" }}
{{- range $setting, $secret := $provider.secrets }}
{{- $_ := set $entry (printf "%s_file" $setting) (printf "/etc/sekisho/providers/%s/%s" $provider.name $setting) }}
{{- end }}
{{- $providers = append $providers $entry }}
{{- end }}
{{- $_ := set $made "providers" $providers }}
{{- toYaml (mergeOverwrite (deepCopy $values.config) $made) }}
{{- end }}

{{- define "sekisho.metricsListen" -}}
{{ if .Values.metrics.enabled }}:9443{{ else }}127.0.0.1:9443{{ end }}
{{- end }}

{{/* Ports on which workers of one pod listen for other replicas, as the first and the last. */}}
{{- define "sekisho.lastPeeringPort" -}}
{{ if eq (toString .Values.server.workers) "auto" }}9699{{ else }}{{ add 9443 (int .Values.server.workers) }}{{ end }}
{{- end }}
