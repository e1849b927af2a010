{{- define "sallyport.injectCa" -}}
{{- if .Values.webhook.tls.certManager.enabled -}}
annotations:
  cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/{{ include "sallyport.fullname" . }}-webhook
{{- end -}}
{{- end -}}

{{/* What all have in common; root, name, bundle, path, and all or enter. */}}
{{- define "sallyport.hook" -}}
admissionReviewVersions: [v1]
sideEffects: None
failurePolicy: {{ .root.Values.webhook.failurePolicy }}
matchPolicy: Equivalent
timeoutSeconds: {{ .root.Values.webhook.timeoutSeconds }}
clientConfig:
  service:
    name: {{ .name }}
    namespace: {{ .root.Release.Namespace }}
    path: {{ .path }}
    port: 443
  {{- with .bundle }}
  caBundle: {{ . }}
  {{- end }}
namespaceSelector:
  {{- if .all }}
  matchLabels:
    sallyport.dev/inject: enabled
  {{- end }}
  matchExpressions:
    # The webhook must be able to begin while it is away.
    - key: kubernetes.io/metadata.name
      operator: NotIn
      values: {{- append .root.Values.sidecar.never .root.Release.Namespace | uniq | toYaml | nindent 8 }}
{{- if .enter }}
matchConditions:
  - name: into-the-gateway
    expression: "has(object.container) && object.container.startsWith('sallyport')"
{{- else if not .all }}
# Who asks, and who looks as if it were injected: names of containers stay, annotations can be taken away.
matchConditions:
  - name: asks-or-was-asked-for
    expression: >-
      (has(object.metadata.annotations) && object.metadata.annotations.exists(k, k in ['sallyport.dev/inject', 'aegrail.io/inject', 'sallyport.dev/injected']))
      || object.spec.containers.exists(c, c.name.startsWith('sallyport'))
      || (has(object.spec.initContainers) && object.spec.initContainers.exists(c, c.name.startsWith('sallyport')))
      {{- with .root.Values.sidecar.namespaces }}
      || request.namespace in [{{ range $i, $name := . }}{{ if $i }}, {{ end }}'{{ $name }}'{{ end }}]
      {{- end }}
{{- end }}
{{- end -}}
