{{- define "specula.labels" -}}
app.kubernetes.io/name: specula-agent
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "specula.selector" -}}
app.kubernetes.io/name: specula-agent
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "specula.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "specula.secret" -}}
{{ .Values.tls.existingSecret | default "specula-agent-tls" }}
{{- end }}

{{/* "true" if the node's root is mounted. */}}
{{- define "specula.hostRoot" -}}
{{- if kindIs "bool" .Values.hostRoot -}}{{ .Values.hostRoot }}{{- else -}}{{ eq .Values.profile "control" }}{{- end -}}
{{- end }}

{{/* agent.toml: the profile's keys, then the ceiling's, which win. */}}
{{- define "specula.config" -}}
{{- $control := eq .Values.profile "control" }}
{{- $keys := dict
  "listen" (printf "0.0.0.0:%d" (int .Values.port))
  "ca" "/etc/specula/tls/ca.crt"
  "cert" "/etc/specula/tls/tls.crt"
  "key" "/etc/specula/tls/tls.key"
  "proc-root" "/host"
  "state-dir" .Values.stateDirectory
  "denylist" "/etc/specula/denylist/serials"
  "commands" $control
  "tail" $control
  "kill-scope" (ternary "any" "none" $control) }}
{{- if $control }}
{{- $_ := set $keys "host-namespaces" "/proc/1/ns" }}
{{- $_ := set $keys "front-user" "specula" }}
{{- end }}
{{- range $key, $value := mergeOverwrite $keys .Values.ceiling }}
{{ $key }} = {{ $value | toJson }}
{{- end }}
{{- end }}
