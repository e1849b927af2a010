/** The decision API as OpenAPI 3.1, from the very schemas that questions and answers are read with. */
import { z } from "zod";
import {
  decisionAnswerSchema,
  decisionRequestSchema,
  refusalSchema,
  rulingMetadataSchema,
} from "../decide/governance-schema.ts";
import { outcomesAnswerSchema, outcomesSchema } from "../decide/outcome-schema.ts";
import { policyBundleSchema } from "../decide/policy-bundle-schema.ts";

type Json = { readonly [key: string]: unknown };

function schemaOf(schema: z.ZodType, io: "input" | "output"): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { target: "draft-2020-12", io });
  return rest;
}

function ref(name: string): Json {
  return { "application/json": { schema: { $ref: `#/components/schemas/${name}` } } };
}

function refused(description: string): Json {
  return { description, content: ref("Refusal") };
}

const ANYBODY = { security: [] };

export function openApi(): Json {
  return {
    openapi: "3.1.0",
    info: {
      title: "sallyport decision API",
      version: "1",
      description: "One question an egress, on the whole request, before a byte leaves. See docs/governance-api.md.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "http://127.0.0.1:3129" }],
    security: [{ tenantToken: [] }, { tenantCertificate: [] }],
    paths: {
      "/v1/decisions": {
        post: {
          operationId: "decide",
          summary: "Rules on one egress",
          requestBody: { required: true, content: ref("DecisionRequest") },
          responses: {
            "200": { description: "The decision", content: ref("DecisionAnswer") },
            "400": refused("The question is malformed"),
            "401": refused("No tenant's token or certificate"),
            "413": { description: "The question is too long" },
            "415": refused("The content type is not application/json"),
            "422": refused("`inspection_exhausted`: the question asks for more work than any honest one; never a pass"),
            "500": refused("`decision_crashed`: a defect; never a pass"),
            "503": refused("The plane is draining, or has too many questions at a time"),
          },
        },
      },
      "/v1/outcomes": {
        post: {
          operationId: "settle",
          summary: "Tells how requests ended of which an answer's metadata has a `settle`",
          requestBody: { required: true, content: ref("Outcomes") },
          responses: {
            "200": { description: "How many of them were known", content: ref("OutcomesAnswer") },
            "400": refused("The outcomes are malformed"),
            "401": refused("No tenant's token or certificate"),
            "413": refused("Too many at a time"),
            "415": refused("The content type is not application/json"),
            "503": refused("`limits_unavailable`: the counters cannot be asked"),
          },
        },
      },
      "/v1/bundle": {
        get: {
          operationId: "bundle",
          summary: "The tenant's policy, for relays that decide for themselves",
          parameters: [{ name: "If-None-Match", in: "header", schema: { type: "string" } }],
          responses: {
            "200": {
              description: "The policy in force; its version is the ETag",
              headers: { ETag: { schema: { type: "string" } } },
              content: ref("PolicyBundle"),
            },
            "304": { description: "The policy is the one named" },
            "401": refused("No tenant's token or certificate"),
            "404": refused("The tenant has no policy of files"),
          },
        },
      },
      "/.well-known/jwks.json": {
        get: {
          ...ANYBODY,
          operationId: "jwks",
          summary: "Keys that attestations and bundles are verified with",
          responses: {
            "200": {
              description: "A JWK Set",
              content: { "application/jwk-set+json": { schema: { type: "object" } } },
            },
          },
        },
      },
      "/healthz": {
        get: { ...ANYBODY, operationId: "healthz", summary: "Alive", responses: { "200": { description: "Alive" } } },
      },
      "/readyz": {
        get: {
          ...ANYBODY,
          operationId: "readyz",
          summary: "Ready",
          responses: {
            "200": { description: "Ready" },
            "503": { description: "Starting, draining, or stale and strict" },
          },
        },
      },
    },
    components: {
      schemas: {
        DecisionRequest: schemaOf(decisionRequestSchema, "output"),
        DecisionAnswer: schemaOf(decisionAnswerSchema, "input"),
        RulingMetadata: schemaOf(rulingMetadataSchema, "input"),
        Outcomes: schemaOf(outcomesSchema, "output"),
        OutcomesAnswer: schemaOf(outcomesAnswerSchema, "output"),
        Refusal: schemaOf(refusalSchema, "output"),
        PolicyBundle: schemaOf(policyBundleSchema, "output"),
      },
      securitySchemes: {
        tenantToken: { type: "http", scheme: "bearer" },
        tenantCertificate: { type: "mutualTLS" },
      },
    },
  };
}

let text: string | null = null;

export function openApiText(): string {
  text ??= `${JSON.stringify(openApi(), null, 2)}\n`;
  return text;
}
