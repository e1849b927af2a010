/** Kubernetes' own description of its objects, put to objects by a JSON Schema validator. */
import { readFileSync } from "node:fs";
import { Ajv, type ValidateFunction } from "ajv";

const told: { version: string; kinds: Record<string, string>; definitions: Record<string, { properties?: object }> } =
  JSON.parse(readFileSync(new URL("vectors/kubernetes.json", import.meta.url), "utf8"));
const ajv = new Ajv({ strict: false, allErrors: true });
ajv.addSchema({ $id: "kubernetes", definitions: told.definitions });
const made = new Map<string, ValidateFunction>();

/** What is wrong with an object, one line each; empty: nothing. One of a kind that is not described is wrong, too. */
export function problemsOf(object: { readonly apiVersion?: unknown; readonly kind?: unknown }): readonly string[] {
  const name = `${object.apiVersion}/${object.kind}`;
  const definition = told.kinds[name];
  if (definition === undefined) return [`${name} is no kind that is described`];
  const check = made.get(name) ?? ajv.compile({ $ref: `kubernetes#/definitions/${definition}` });
  made.set(name, check);
  if (check(object)) return [];
  return (check.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
  );
}

/** The fields that a definition has: `io.k8s.api.core.v1.Volume`. */
export function fieldsOf(definition: string): readonly string[] {
  return Object.keys(told.definitions[definition]?.properties ?? {});
}
