{{/* The environment of every container: what differs from the image's own settings, and secrets. */}}
{{- define "sekisho.env" -}}
- {name: SEKISHO_CONFIG, value: /etc/sekisho/config/sekisho.yaml}
- {name: SEKISHO_DATA_DIR, value: /var/lib/sekisho/data}
- {name: SEKISHO_METRICS__LISTEN, value: {{ include "sekisho.metricsListen" . | quote }}}
- {name: HOME, value: /var/lib/sekisho}
- {name: TMPDIR, value: /tmp}
{{- if eq .Values.database.type "postgresql" }}
- name: SEKISHO_STORE__URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.database.postgresql.urlSecret.name }}
      key: {{ .Values.database.postgresql.urlSecret.key }}
- name: SEKISHO_PEERING__ADVERTISE
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "sekisho.securityContext" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
readOnlyRootFilesystem: true
runAsNonRoot: true
{{- end }}

{{- define "sekisho.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "sekisho.mounts" -}}
- {name: config, mountPath: /etc/sekisho/config, readOnly: true}
- {name: data, mountPath: /var/lib/sekisho}
- {name: tmp, mountPath: /tmp}
{{- if .Values.encryption.secret.name }}
- {name: encryption, mountPath: /etc/sekisho/encryption, readOnly: true}
{{- end }}
{{- if include "sekisho.tlsSecret" . }}
- {name: tls, mountPath: /etc/sekisho/tls, readOnly: true}
{{- end }}
{{- if or .Values.tls.ca.secret .Values.tls.ca.configMap }}
- {name: ca, mountPath: /etc/sekisho/ca, readOnly: true}
{{- end }}
{{- if .Values.metrics.token.secret }}
- {name: metrics, mountPath: /etc/sekisho/metrics, readOnly: true}
{{- end }}
{{- if include "sekisho.databaseCa" . }}
- {name: database-ca, mountPath: /etc/sekisho/database, readOnly: true}
{{- end }}
{{- range .Values.providers }}{{ if .secrets }}
- {name: provider-{{ .name }}, mountPath: /etc/sekisho/providers/{{ .name }}, readOnly: true}
{{- end }}{{ end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "sekisho.volumes" -}}
- {name: tmp, emptyDir: {sizeLimit: 64Mi}}
{{- if eq .Values.database.type "sqlite" }}
- name: data
  persistentVolumeClaim:
    claimName: {{ .Values.database.sqlite.existingClaim | default (include "sekisho.name" .) }}
{{- else }}
- {name: data, emptyDir: {}}
{{- end }}
{{- with .Values.encryption.secret }}{{ if .name }}
- name: encryption
  secret:
    secretName: {{ .name }}
    defaultMode: 0440
    items: [{key: {{ .key | quote }}, path: keys}]
{{- end }}{{ end }}
{{- with include "sekisho.tlsSecret" . }}
- {name: tls, secret: {secretName: {{ . }}, defaultMode: 0440}}
{{- end }}
{{- if or .Values.tls.ca.secret .Values.tls.ca.configMap }}
- name: ca
  {{- include "sekisho.caSource" .Values.tls.ca | nindent 2 }}
{{- end }}
{{- with .Values.metrics.token }}{{ if .secret }}
- name: metrics
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
    items: [{key: {{ .key | quote }}, path: token}]
{{- end }}{{ end }}
{{- if include "sekisho.databaseCa" . }}
- name: database-ca
  {{- include "sekisho.caSource" .Values.database.postgresql.ca | nindent 2 }}
{{- end }}
{{- range .Values.providers }}{{ if .secrets }}
- name: provider-{{ .name }}
  projected:
    defaultMode: 0440
    sources:
      {{- range $setting, $secret := .secrets }}
      - secret: {name: {{ $secret.secret }}, items: [{key: {{ $secret.key | quote }}, path: {{ $setting }}}]}
      {{- end }}
{{- end }}{{ end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "sekisho.caSource" -}}
{{- $items := list (dict "key" .key "path" "ca.crt") -}}
{{- if .secret -}}
secret: {{ dict "secretName" .secret "items" $items | toJson }}
{{- else -}}
configMap: {{ dict "name" .configMap "items" $items | toJson }}
{{- end }}
{{- end }}

{{- define "sekisho.databaseCa" -}}
{{- if eq .Values.database.type "postgresql" }}{{ .Values.database.postgresql.ca.secret }}{{ .Values.database.postgresql.ca.configMap }}{{ end }}
{{- end }}

{{/* Probes of the main listener: the one that clients use, and so it needs no metrics. */}}
{{- define "sekisho.probes" -}}
{{- $scheme := include "sekisho.scheme" . -}}
startupProbe:
  httpGet: {path: /readyz, port: https, scheme: {{ $scheme }}}
  periodSeconds: 2
  timeoutSeconds: 5
  # A large schema takes minutes to upgrade.
  failureThreshold: 300
readinessProbe:
  httpGet: {path: /readyz, port: https, scheme: {{ $scheme }}}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
livenessProbe:
  httpGet: {path: /healthz, port: https, scheme: {{ $scheme }}}
  periodSeconds: 10
  timeoutSeconds: 10
  failureThreshold: 6
{{- end }}

{{- define "sekisho.spread" -}}
{{- if .root.Values.topologySpreadConstraints }}
{{- toYaml .root.Values.topologySpreadConstraints }}
{{- else }}
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "sekisho.selector" $.root | nindent 6 }}
      app.kubernetes.io/component: {{ $.component }}
{{- end }}
{{- end }}
{{- end }}
