{{- define "sallyport.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{- else -}}{{ printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "sallyport.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "sallyport.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "sallyport.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "sallyport.image" -}}
{{- $repository := required "image.repository is needed: the registry and name under which you pushed the image, such as registry.example/sallyport" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ $repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* What the schema cannot say. */}}
{{- define "sallyport.check" -}}
{{- $dev := eq (toString (index .Values.config "EVE_PROXY_DEV")) "1" -}}
{{- $signed := or (hasKey .Values.files "EVE_PROXY_SIGNING_KEY") (hasKey .Values.secretEnv "JWT_SECRET_KEY") -}}
{{- if not (or $dev $signed) -}}
{{- fail "files.EVE_PROXY_SIGNING_KEY or secretEnv.JWT_SECRET_KEY is needed: without a key there is no evidence, and nothing leaves" -}}
{{- end -}}
{{- $sources := 0 -}}
{{- if .Values.policy.allowlist }}{{ $sources = add1 $sources }}{{ end -}}
{{- if .Values.policy.document }}{{ $sources = add1 $sources }}{{ end -}}
{{- if .Values.policy.existingConfigMap }}{{ $sources = add1 $sources }}{{ end -}}
{{- if gt (int $sources) 1 -}}
{{- fail "policy: allowlist, document and existingConfigMap each are a whole policy; give one" -}}
{{- end -}}
{{- with .Values.webhook.tls -}}
{{- if and .certManager.enabled .secretName }}{{ fail "webhook.tls: certManager and secretName are two certificates; give one" }}{{ end -}}
{{- if and .secretName (not .caBundle) }}{{ fail "webhook.tls.caBundle is needed with secretName: the API server must know whom to trust" }}{{ end -}}
{{- end -}}
{{- end -}}

{{- define "sallyport.policyName" -}}
{{- default (printf "%s-policy" (include "sallyport.fullname" .)) .Values.policy.existingConfigMap -}}
{{- end -}}

{{/* Nothing leaves that nobody named. */}}
{{- define "sallyport.policy" -}}
{{- if .Values.policy.document -}}
{{- toYaml .Values.policy.document -}}
{{- else -}}
{{- $policy := dict "version" 1 "default" "deny" -}}
{{- if .Values.policy.allowlist }}{{ $_ := set $policy "hosts" (dict "allow" .Values.policy.allowlist) }}{{ end -}}
{{- toYaml $policy -}}
{{- end -}}
{{- end -}}

{{/* Settings of a gateway, wherever it stands; a list of variables. */}}
{{- define "sallyport.env" -}}
{{- $env := list (dict "name" "EVE_PROXY_POLICY" "value" "/run/sallyport/policy") -}}
{{- if eq .Values.audit.storage "stdout" -}}
{{- $env = append $env (dict "name" "EVE_PROXY_AUDIT_PATH" "value" "-") -}}
{{- end -}}
{{- range $name, $value := .Values.config -}}
{{- $env = append $env (dict "name" $name "value" (toString $value)) -}}
{{- end -}}
{{- range $name, $from := .Values.secretEnv -}}
{{- $env = append $env (dict "name" $name "valueFrom" (dict "secretKeyRef" (dict "name" $from.secretName "key" $from.key))) -}}
{{- end -}}
{{- range $name, $from := .Values.files -}}
{{- $env = append $env (dict "name" $name "value" (printf "/run/sallyport/files/%s" $name)) -}}
{{- end -}}
{{- toYaml $env -}}
{{- end -}}

{{/* Volumes of a gateway besides those of its CA. */}}
{{- define "sallyport.volumes" -}}
{{- $volumes := list (dict "name" "sallyport-policy" "configMap" (dict "name" (include "sallyport.policyName" .) "defaultMode" 292)) -}}
{{- if eq .Values.audit.storage "volume" -}}
{{- $volumes = append $volumes (merge (dict "name" "sallyport-data") (deepCopy (default (dict "emptyDir" dict) .Values.audit.volume))) -}}
{{- end -}}
{{- if .Values.files -}}
{{- $sources := list -}}
{{- range $name, $from := .Values.files -}}
{{- $items := list (dict "key" $from.key "path" $name) -}}
{{- if $from.secretName -}}
{{- $sources = append $sources (dict "secret" (dict "name" $from.secretName "items" $items)) -}}
{{- else -}}
{{- $sources = append $sources (dict "configMap" (dict "name" $from.configMapName "items" $items)) -}}
{{- end -}}
{{- end -}}
{{- $volumes = append $volumes (dict "name" "sallyport-files" "projected" (dict "defaultMode" 292 "sources" $sources)) -}}
{{- end -}}
{{- toYaml $volumes -}}
{{- end -}}

{{- define "sallyport.volumeMounts" -}}
{{- $mounts := list (dict "name" "sallyport-policy" "mountPath" "/run/sallyport/policy" "readOnly" true) -}}
{{- if .Values.files -}}
{{- $mounts = append $mounts (dict "name" "sallyport-files" "mountPath" "/run/sallyport/files" "readOnly" true) -}}
{{- end -}}
{{- toYaml $mounts -}}
{{- end -}}

{{/* As Pod Security "restricted" asks. */}}
{{- define "sallyport.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: {{ .Values.uid }}
runAsGroup: {{ .Values.gid }}
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "sallyport.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .Values.uid }}
runAsGroup: {{ .Values.gid }}
fsGroup: {{ .Values.gid }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* Where pods ask for names: one rule of egress. */}}
{{- define "sallyport.dnsRule" -}}
- to:
    - {{- toYaml .Values.networkPolicy.dns | nindent 6 }}
  ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end -}}

{{/* cluster.cidrs as one rule each: `CIDR` or `CIDR:ports`, TCP and UDP as `--except` of the redirect. */}}
{{- define "sallyport.cidrRules" -}}
{{- range .Values.cluster.cidrs }}
{{- $cidr := . -}}
{{- $slash := last (splitList "/" $cidr) -}}
{{- $ports := "" -}}
{{- if contains ":" $slash -}}
{{- $ports = last (splitList ":" $slash) -}}
{{- $cidr = trimSuffix (printf ":%s" $ports) $cidr -}}
{{- end }}
- to:
    - ipBlock: {cidr: {{ $cidr | quote }}}
  {{- if $ports }}
  ports:
    {{- range splitList "," $ports }}
    {{- $ends := splitList "-" . }}
    {{- range list "TCP" "UDP" }}
    - {protocol: {{ . }}, port: {{ first $ends | int }}{{ if gt (len $ends) 1 }}, endPort: {{ last $ends | int }}{{ end }}}
    {{- end }}
    {{- end }}
  {{- end }}
{{- end }}
{{- end -}}
