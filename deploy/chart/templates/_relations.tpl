{{/*
Relations between values, which values.schema.json can't say. Each is refused with one sentence.
*/}}
{{- define "sekisho.relations" -}}
{{- $values := .Values -}}

{{- $scaling := $values.autoscaling -}}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) -}}
{{- fail (printf "autoscaling.minReplicas (%v) is greater than autoscaling.maxReplicas (%v); lower the first, or raise the second" $scaling.minReplicas $scaling.maxReplicas) -}}
{{- end -}}
{{- $resources := $values.resources -}}
{{- $requests := $resources.requests | default dict -}}
{{- $limits := $resources.limits | default dict -}}
{{- if and $scaling.enabled (not (or $requests.cpu $limits.cpu)) -}}
{{- fail "autoscaling.cpuUtilization is a part of resources.requests.cpu, which is missing; set it" -}}
{{- end -}}

{{- $pods := ternary $scaling.minReplicas $values.replicas $scaling.enabled | int -}}
{{- $away := $values.podDisruptionBudget.maxUnavailable -}}
{{- $most := int $away -}}
{{- if kindIs "string" $away -}}
{{- $most = divf (mul $pods (trimSuffix "%" $away | int)) 100 | ceil | int -}}
{{- end -}}
{{- if and $values.podDisruptionBudget.enabled (gt $pods 1) (ge $most $pods) -}}
{{- fail (printf "podDisruptionBudget.maxUnavailable (%v) lets all %d pods be away; lower it, or set podDisruptionBudget.enabled: false" $away $pods) -}}
{{- end -}}

{{- range $place, $one := dict "resources" $resources "controllers.resources" $values.controllers.resources "backup.resources" $values.backup.resources -}}
{{- $limits := $one.limits | default dict -}}
{{- range $kind := list "requests" "limits" -}}
{{- range $name, $amount := index $one $kind | default dict -}}
{{- if not (regexMatch "^[+]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+|[numkMGTPE]|[KMGTPE]i)?$" (toString $amount)) -}}
{{- fail (printf "%s.%s.%s (%v) is no amount; it must be a number that is not negative, like 250m or 1Gi" $place $kind $name $amount) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $name, $amount := $one.requests | default dict -}}
{{- $limit := index $limits $name | default "" | toString -}}
{{- if and $limit (gt (include "sekisho.amount" $amount | float64) (include "sekisho.amount" $limit | float64)) -}}
{{- fail (printf "%s.requests.%s (%v) is more than %s.limits.%s (%v); lower the first, or raise the second" $place $name $amount $place $name $limit) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- $manager := $values.tls.certManager -}}
{{- if ge (include "sekisho.seconds" $manager.renewBefore | int) (include "sekisho.seconds" $manager.duration | int) -}}
{{- fail (printf "tls.certManager.renewBefore (%s) is not shorter than tls.certManager.duration (%s); shorten it" $manager.renewBefore $manager.duration) -}}
{{- end -}}
{{- if and $values.tls.secret (ne $values.tls.source "secret") -}}
{{- fail (printf "tls.secret is given, but tls.source is %s; set tls.source: secret, or remove tls.secret" $values.tls.source) -}}
{{- end -}}
{{- if and $manager.createCa (ne $values.tls.source "certManager") -}}
{{- fail (printf "tls.certManager.createCa is set, but tls.source is %s; set tls.source: certManager, or unset createCa" $values.tls.source) -}}
{{- end -}}
{{- if and $manager.issuerRef.name (or $manager.createCa (ne $values.tls.source "certManager")) -}}
{{- fail "tls.certManager.issuerRef.name is given, but it is used only with tls.source: certManager and without createCa; remove it, or change these" -}}
{{- end -}}
{{- $ca := $values.tls.ca -}}
{{- if and $manager.createCa (or $ca.secret $ca.configMap) -}}
{{- fail "tls.certManager.createCa makes the CA, and tls.ca names another; remove one of them" -}}
{{- end -}}
{{- range $place, $one := dict "tls.ca" $ca "database.postgresql.ca" $values.database.postgresql.ca -}}
{{- if and $one.secret $one.configMap -}}
{{- fail (printf "%s.secret and %s.configMap are both given; remove one of them" $place $place) -}}
{{- end -}}
{{- end -}}

{{- if and $values.service.externalTrafficPolicy (eq $values.service.type "ClusterIP") -}}
{{- fail "service.externalTrafficPolicy is given, but service.type is ClusterIP; remove it, or set NodePort or LoadBalancer" -}}
{{- end -}}
{{- if and $values.service.loadBalancerSourceRanges (ne $values.service.type "LoadBalancer") -}}
{{- fail (printf "service.loadBalancerSourceRanges restricts nothing, because service.type is %s; remove it, or set LoadBalancer" $values.service.type) -}}
{{- end -}}
{{- if or $values.ingress.enabled $values.gateway.enabled -}}
{{- if regexMatch "^([0-9.]+|\\[.*)$" (include "sekisho.host" .) -}}
{{- fail (printf "externalUrl (%s) has an IP address, but an Ingress or a route needs a host name; name the host" $values.externalUrl) -}}
{{- end -}}
{{- end -}}

{{- range $name, $value := $values.podLabels -}}
{{- if hasKey $values.commonLabels $name -}}
{{- fail (printf "podLabels and commonLabels both have %s; remove it from one of them" $name) -}}
{{- end -}}
{{- end -}}
{{- if hasKey $values.podAnnotations "checksum/config" -}}
{{- fail "podAnnotations has checksum/config, which the chart sets; remove it" -}}
{{- end -}}

{{- $volumes := concat (include "sekisho.volumes" . | fromYamlArray) (list (dict "name" "config") (dict "name" "backups") (dict "name" "backup-passphrase")) -}}
{{- $mounts := concat (include "sekisho.mounts" . | fromYamlArray) (list (dict "mountPath" "/backups") (dict "mountPath" "/etc/sekisho/backup")) -}}
{{- $env := concat (include "sekisho.env" . | fromYamlArray) (list (dict "name" "SEKISHO_BACKUP__PASSPHRASE_FILE")) -}}
{{- include "sekisho.unique" (list "providers" "name" $values.providers) -}}
{{- include "sekisho.unique" (list "extraVolumes, with the chart's own," "name" $volumes) -}}
{{- include "sekisho.unique" (list "extraVolumeMounts, with the chart's own," "mountPath" $mounts) -}}
{{- include "sekisho.unique" (list "env, with the chart's own," "name" $env) -}}
{{- include "sekisho.unique" (list "externalSecrets.secrets" "name" $values.externalSecrets.secrets) -}}
{{- range $values.externalSecrets.secrets -}}
{{- include "sekisho.unique" (list (printf "externalSecrets.secrets %s" .name) "secretKey" .data) -}}
{{- end -}}
{{- $named := list -}}
{{- range $values.images.pullSecrets }}{{ $named = append $named (dict "name" .) }}{{ end -}}
{{- include "sekisho.unique" (list "images.pullSecrets" "name" $named) -}}
{{- $named = list -}}
{{- range $values.gateway.parentRefs }}{{ $named = append $named (dict "reference" (toJson .)) }}{{ end -}}
{{- include "sekisho.unique" (list "gateway.parentRefs" "reference" $named) -}}
{{- $names := list -}}
{{- range $volumes }}{{ $names = append $names .name }}{{ end -}}
{{- range $values.extraVolumeMounts -}}
{{- if not (has .name $names) -}}
{{- fail (printf "extraVolumeMounts mounts %v, which is no volume of extraVolumes; add it there" .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Refuse a list in which two entries have the same value of a field: place, field, list. */}}
{{- define "sekisho.unique" -}}
{{- $place := index . 0 -}}{{- $field := index . 1 -}}{{- $seen := dict -}}
{{- range index . 2 -}}
{{- $value := index . $field | toString -}}
{{- if hasKey $seen $value -}}
{{- fail (printf "%s has two entries with the %s %s; each needs its own" $place $field $value) -}}
{{- end -}}
{{- $_ := set $seen $value true -}}
{{- end -}}
{{- end -}}

{{/* A quantity of Kubernetes as a number. */}}
{{- define "sekisho.amount" -}}
{{- $factors := dict "" 1.0 "n" 0.000000001 "u" 0.000001 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 "Ei" 1152921504606846976.0 -}}
{{- $number := regexFind "^[+]?[0-9.]+([eE][+-]?[0-9]+)?" (toString .) -}}
{{- mulf (float64 $number) (index $factors (trimPrefix $number (toString .))) -}}
{{- end -}}

{{/* A duration like 1h30m in seconds. */}}
{{- define "sekisho.seconds" -}}
{{- $sum := 0 -}}
{{- range regexFindAll "[0-9]+[hms]" . -1 -}}
{{- $sum = add $sum (mul (regexFind "[0-9]+" . | int64) (index (dict "h" 3600 "m" 60 "s" 1) (regexFind "[hms]" .))) -}}
{{- end -}}
{{- $sum -}}
{{- end -}}
