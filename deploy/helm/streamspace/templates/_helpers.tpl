{{- define "streamspace.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "streamspace.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "streamspace.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "streamspace.selectorLabels" -}}
app.kubernetes.io/name: {{ include "streamspace.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "streamspace.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "streamspace.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "streamspace.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "streamspace.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "streamspace.image" -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}

{{- define "streamspace.isolateHostImage" -}}
{{- printf "%s:%s" .Values.isolateHost.image.repository (default .Chart.AppVersion .Values.isolateHost.image.tag) -}}
{{- end -}}

{{- define "streamspace.filesClaim" -}}
{{- default (printf "%s-files" (include "streamspace.fullname" .)) .Values.files.persistence.existingClaim -}}
{{- end -}}

{{/* "true" when two pods can have the files at the same time. */}}
{{- define "streamspace.filesShared" -}}
{{- if or (ne .Values.files.backend "local") (eq .Values.files.persistence.accessMode "ReadWriteMany") -}}
true
{{- end -}}
{{- end -}}

{{/* Refuses what would lose data, or cannot come up. */}}
{{- define "streamspace.validate" -}}
{{- $many := or .Values.autoscaling.enabled (gt (int .Values.replicaCount) 1) -}}
{{- if and $many (not (include "streamspace.filesShared" .)) -}}
{{- fail "More than one replica needs files that all of them reach: set files.persistence.accessMode to ReadWriteMany (with a storage class that can), or files.backend to plugin:<name> of a plugin that provides storage-backend." -}}
{{- end -}}
{{- if and (eq .Values.files.backend "local") (not .Values.files.persistence.enabled) -}}
{{- fail "files.backend local without files.persistence.enabled would lose the files of plugins with each pod." -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled (not .Values.serviceMonitor.tokenSecret.name) -}}
{{- fail "serviceMonitor.enabled needs serviceMonitor.tokenSecret.name: /metrics asks for an admin's API token." -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- fail "ingress.enabled needs ingress.hosts." -}}
{{- end -}}
{{- end -}}
