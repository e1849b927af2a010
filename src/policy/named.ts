/** Starting policies, inside the program: `extends: [llm-only]`. Each is a policy file like any other. */
import { Fault } from "../errors.ts";
import { NAMED_POLICIES } from "./schema.ts";

const TEXTS: Readonly<Record<(typeof NAMED_POLICIES)[number], string>> = {
  "deny-by-default": `# Nothing leaves that no rule and no list of hosts lets through.
version: 1
default: deny
`,

  "llm-only": `# Calls of the usual model providers, and nothing else.
version: 1
default: deny
lists:
  llm-providers:
    - api.openai.com
    - .openai.azure.com
    - api.anthropic.com
    - generativelanguage.googleapis.com
    - "*.aiplatform.googleapis.com"
    - aiplatform.googleapis.com
    - .api.mistral.ai
    - api.cohere.com
    - api.groq.com
    - api.deepseek.com
    - api.x.ai
    - api.together.xyz
    - api.fireworks.ai
    - api.perplexity.ai
    - openrouter.ai
    - router.huggingface.co
    - api-inference.huggingface.co
    - bedrock-runtime.us-east-1.amazonaws.com
    - bedrock-runtime.us-east-2.amazonaws.com
    - bedrock-runtime.us-west-2.amazonaws.com
    - bedrock-runtime.eu-central-1.amazonaws.com
    - bedrock-runtime.eu-west-1.amazonaws.com
    - bedrock-runtime.eu-west-3.amazonaws.com
    - bedrock-runtime.ap-northeast-1.amazonaws.com
    - bedrock-runtime.ap-southeast-2.amazonaws.com
rules:
  - id: llm-providers
    when: { hosts: $llm-providers }
    verdict: allow
    reason: a call of a known model provider
    controls: [LLM03, ASI04]
`,

  observe: `# Lets everything go, and tells what stricter policies would have stopped.
version: 1
default: allow
detect: { mode: shadow }
dlp: { secrets: shadow, personal: shadow, health: shadow }
responses: { mode: shadow }
rules:
  - id: observe-writes
    mode: shadow
    when: { class: write }
    verdict: approval_needed
    reason: the request writes
    controls: [LLM06, ASI02]
  - id: observe-secrets
    mode: shadow
    when: { findings: { vectors: dlp_secret } }
    verdict: deny
    reason: the request holds a secret
    controls: [LLM02, ASI03]
  - id: observe-personal
    mode: shadow
    when: { findings: { vectors: [dlp_personal, dlp_health] } }
    verdict: sanitize
    reason: the request holds personal data
    controls: [LLM02]
  - id: observe-plain-http
    mode: shadow
    when: { schemes: http, phases: request }
    verdict: deny
    reason: the request is not encrypted
    controls: [LLM02]
`,

  pci: `# Card data leaves only redacted, and only encrypted.
version: 1
default: allow
dlp: { secrets: enforce, personal: sanitize }
rules:
  - id: pci-cards-in-clear
    when: { schemes: http, findings: { names: payment-card } }
    verdict: deny
    reason: card data over a connection that is not encrypted
    controls: [PCI-4.2.1, LLM02]
  - id: pci-cards
    when: { findings: { names: payment-card } }
    verdict: sanitize
    reason: card data is redacted
    controls: [PCI-3.4.1, LLM02]
  - id: pci-odd-ports
    when: { phases: tunnel, not: { hosts: ["*:443", "*:80"] } }
    verdict: deny
    reason: a tunnel to a port that is neither 80 nor 443
    controls: [PCI-1.4.4, ASI02]
`,

  hipaa: `# Health data leaves only redacted; what nobody named cannot be written to.
version: 1
default: allow
access: { writes: closed }
dlp: { secrets: enforce, personal: sanitize, health: sanitize }
rules:
  - id: hipaa-clear-text
    when: { schemes: http, findings: { vectors: [dlp_health, dlp_personal] } }
    verdict: deny
    reason: health or personal data over a connection that is not encrypted
    controls: [HIPAA-164.312(e), LLM02]
  - id: hipaa-health
    when: { findings: { vectors: dlp_health } }
    verdict: sanitize
    reason: health data is redacted
    controls: [HIPAA-164.514(b), LLM02]
  - id: hipaa-identifiers
    when: { findings: { vectors: dlp_personal } }
    verdict: sanitize
    reason: identifiers of persons are redacted
    controls: [HIPAA-164.514(b), LLM02]
  - id: hipaa-bulk
    when: { class: write, body: { min_bytes: 1000000 } }
    verdict: approval_needed
    reason: a large transfer needs a person's word
    controls: [HIPAA-164.312(b), ASI02]
`,
};

/** The text of a starting policy. Throws Fault `usage` for a name that there is none of. */
export function namedPolicy(name: string): string {
  for (const known of NAMED_POLICIES) if (known === name) return TEXTS[known];
  throw new Fault("usage", `there is no starting policy of this name: there are ${NAMED_POLICIES.join(", ")}`);
}
