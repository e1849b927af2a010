import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { openApi, openApiText } from "../../src/plane/openapi.ts";

const ROOT = join(import.meta.dirname, "../..");
type Json = { [key: string]: unknown };
const document = JSON.parse(openApiText()) as Json & {
  openapi: string;
  paths: Record<string, Record<string, Json & { responses?: Record<string, Json>; operationId?: string }>>;
  components: { schemas: Record<string, Json>; securitySchemes: Json };
  security: Record<string, unknown>[];
};

describe("the OpenAPI document", () => {
  test("is the one that is published", () => {
    expect(readFileSync(join(ROOT, "docs/governance-openapi.json"), "utf8")).toBe(openApiText());
    expect(openApi()).toEqual(document);
  });

  test("is 3.1, every operation is named and answers, every reference leads somewhere", () => {
    expect(document.openapi).toBe("3.1.0");
    const names = new Set<string>();
    for (const [path, item] of Object.entries(document.paths)) {
      expect(path.startsWith("/")).toBe(true);
      for (const [method, operation] of Object.entries(item)) {
        expect(["get", "post"]).toContain(method);
        names.add(operation.operationId ?? "");
        for (const [status, response] of Object.entries(operation.responses ?? {})) {
          expect(status).toMatch(/^[2-5]\d\d$/);
          expect(response.description).toEqual(expect.any(String));
        }
      }
    }
    expect(names.has("")).toBe(false);
    expect(names.size).toBe(Object.keys(document.paths).length);
    for (const scheme of document.security.flatMap((each) => Object.keys(each))) {
      expect(document.components.securitySchemes).toHaveProperty(scheme);
    }
    const refs = [...openApiText().matchAll(/"\$ref": "([^"]+)"/g)].map(([, ref = ""]) => ref);
    expect(refs.length).toBeGreaterThan(5);
    for (const ref of refs) {
      const [, at = ""] = /^#\/components\/schemas\/(\w+)$/.exec(ref) ?? [];
      expect(Object.keys(document.components.schemas)).toContain(at);
    }
  });

  test("says of questions and answers what the code does", () => {
    const schema = (name: string) => z.fromJSONSchema(document.components.schemas[name] as never);
    const text = readFileSync(join(ROOT, "docs/governance-api.md"), "utf8");
    const examples = [...text.matchAll(/```json\n([\s\S]*?)```/g)].map(([, block = ""]) => block);
    const question = JSON.parse(examples[0] ?? "");
    expect(schema("DecisionRequest").safeParse(question).success).toBe(true);
    expect(schema("DecisionRequest").safeParse({ ...question, unless: 1 }).success).toBe(false);
    expect(schema("DecisionRequest").safeParse({ ...question, port: 70_000 }).success).toBe(false);
    const answers = (examples[1] ?? "")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(answers.length).toBeGreaterThan(3);
    for (const answer of answers) expect(schema("DecisionAnswer").safeParse(answer).success).toBe(true);
    expect(schema("DecisionAnswer").safeParse({ decision: "permit" }).success).toBe(false);
    expect(schema("DecisionAnswer").safeParse({ decision: "allow", unless: 1 }).success).toBe(false);
    expect(schema("Refusal").safeParse({ error: "draining", message: "x" }).success).toBe(true);
  });
});
