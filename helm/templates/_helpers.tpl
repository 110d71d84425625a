{{- define "millrace.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "millrace.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "millrace.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "millrace.selectorLabels" -}}
app.kubernetes.io/name: {{ include "millrace.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "millrace.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "millrace.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: millrace
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "millrace.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ printf "%s@%s" $image.repository $image.digest }}
{{- else -}}
{{ printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) }}
{{- end -}}
{{- end }}

{{- define "millrace.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "millrace.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{/* The Secret whose keys become environment; empty: none. */}}
{{- define "millrace.secretName" -}}
{{- if .Values.secret.existingSecret -}}
{{- .Values.secret.existingSecret -}}
{{- else if or .Values.secret.external.enabled .Values.secret.values -}}
{{- include "millrace.fullname" . -}}
{{- end -}}
{{- end }}

{{/* Settings of a worker: those of the user, and those that follow from `worker`. */}}
{{- define "millrace.config" -}}
{{- $worker := .Values.worker -}}
{{- $made := dict
  "MILLRACE_LISTEN" (printf "0.0.0.0:%v" .Values.metrics.port)
  "MILLRACE_SLOTS" (toString $worker.slots)
  "MILLRACE_TASKS" (toString $worker.tasks)
  "MILLRACE_BYTES" (printf "%vMiB" $worker.bytesMiB)
  "MILLRACE_EXTRACT_MEMORY" (printf "%vMiB" $worker.extractMemoryMiB)
  "MILLRACE_DRAIN" (printf "%vs" $worker.drainSeconds) -}}
{{- $options := .Files.Lines "options.txt" -}}
{{- $secrets := list "AWS_SECRET_ACCESS_KEY" "AWS_SESSION_TOKEN" "PGPASSWORD" "KAFKA_PROP_SASL_PASSWORD" -}}
{{- range $name, $value := .Values.config }}
{{- if hasKey $made $name }}
{{- fail (printf "config.%s: follows from `worker` or `metrics`; set it there" $name) }}
{{- else if or (has (printf "%s secret" $name) $options) (has $name $secrets) }}
{{- fail (printf "config.%s: is a secret; it belongs into the Secret that secret.existingSecret names" $name) }}
{{- else if not (or (has $name $options) (regexMatch "^(KAFKA_PROP_|AWS_|PG)[A-Z]" $name)) }}
{{- fail (printf "config.%s: there is no such option; docs/configuration.md lists them" $name) }}
{{- end }}
{{- end }}
{{- range $name, $value := merge $made .Values.config }}
{{ $name }}: {{ $value | toString | quote }}
{{- end }}
{{- end }}

{{- define "millrace.resources" -}}
{{- if .Values.resources -}}
{{- toYaml .Values.resources -}}
{{- else -}}
{{- $worker := .Values.worker -}}
requests:
  cpu: {{ $worker.slots | quote }}
  memory: {{ add 256 (mul 128 $worker.slots) }}Mi
limits:
  memory: {{ add 256 $worker.bytesMiB (mul $worker.slots $worker.extractMemoryMiB) }}Mi
{{- end -}}
{{- end }}

{{/* Environment of every container but the migration's. */}}
{{- define "millrace.environment" -}}
envFrom:
  - configMapRef:
      name: {{ include "millrace.fullname" . }}
  {{- with include "millrace.secretName" . }}
  - secretRef:
      name: {{ . }}
  {{- end }}
  {{- with .Values.extraEnvFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.extraEnv }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A pod's part that is the same for workers, tests and jobs. */}}
{{- define "millrace.pod" -}}
serviceAccountName: {{ include "millrace.serviceAccountName" . }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- define "millrace.container" -}}
image: {{ include "millrace.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
{{- end }}
