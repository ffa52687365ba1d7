{{/* A Deployment with its ConfigMap. `component` is server or controllers. */}}
{{- define "sekisho.deployment" -}}
{{- $values := .root.Values -}}
{{- $config := include "sekisho.config" . -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .name }}
  labels:
    {{- include "sekisho.labels" .root | nindent 4 }}
data:
  sekisho.yaml: |
    {{- $config | nindent 4 }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  labels:
    {{- include "sekisho.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  {{- if not .scaled }}
  replicas: {{ .replicas }}
  {{- end }}
  {{- if eq $values.database.type "sqlite" }}
  # Two pods must never have the volume's database open.
  strategy: {type: Recreate}
  {{- else }}
  strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
  {{- end }}
  selector:
    matchLabels:
      {{- include "sekisho.selector" .root | nindent 6 }}
      app.kubernetes.io/component: {{ .component }}
  template:
    metadata:
      labels:
        {{- include "sekisho.labels" .root | nindent 8 }}
        app.kubernetes.io/component: {{ .component }}
        {{- with $values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        checksum/config: {{ sha256sum $config }}
        {{- with $values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "sekisho.serviceAccount" .root }}
      automountServiceAccountToken: false
      # Variables like SEKISHO_PORT of Services are no settings.
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ add $values.server.shutdownDelaySeconds $values.server.shutdownGraceSeconds 20 }}
      {{- with $values.images.pullSecrets }}
      imagePullSecrets:
        {{- range . }}
        - name: {{ . }}
        {{- end }}
      {{- end }}
      securityContext:
        {{- include "sekisho.podSecurityContext" .root | nindent 8 }}
      {{- with $values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with $values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      topologySpreadConstraints:
        {{- include "sekisho.spread" . | trim | nindent 8 }}
      containers:
        - name: sekisho
          image: {{ include "sekisho.image" .root }}
          imagePullPolicy: {{ $values.images.pullPolicy }}
          args: [serve]
          env:
            {{- include "sekisho.env" .root | nindent 12 }}
          ports:
            - {name: https, containerPort: 8443}
            {{- if $values.metrics.enabled }}
            - {name: metrics, containerPort: 9443}
            {{- end }}
            {{- if eq $values.database.type "postgresql" }}
            - {name: peering, containerPort: 9444}
            {{- end }}
          {{- include "sekisho.probes" .root | nindent 10 }}
          resources:
            {{- toYaml (.resources | default $values.resources) | nindent 12 }}
          securityContext:
            {{- include "sekisho.securityContext" .root | nindent 12 }}
          volumeMounts:
            {{- include "sekisho.mounts" .root | nindent 12 }}
      volumes:
        - {name: config, configMap: {name: {{ .name }}}}
        {{- include "sekisho.volumes" .root | nindent 8 }}
{{- end }}
