/** What names another method than the one a request has. */
import type { Credential } from "../model/question.ts";
import { isOverrideField, namesMethod, overridesIn } from "../wire/methods.ts";
import type { Asked } from "./asked.ts";

/** Longer forms are not read for the method they may name, nor longer bodies looked over before they are read. */
const MAX_OVERRIDING = 64 * 1024;
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Every value that some server takes for the method; null: not known. */
export function overridesOf(asked: Asked): readonly (string | Credential)[] | null {
  const { query, method, body, headers, trailers } = asked.question;
  const said: (string | Credential)[] = [];
  for (const fields of [headers, trailers])
    for (const [name, value] of fields) if (isOverrideField(name)) said.push(value);
  for (const [name, value] of query) said.push(...overridesIn(`${name}=${typeof value === "string" ? value : ""}`));
  if (body === null) return said;
  const types = asked.contentTypes();
  const form = types.includes("application/x-www-form-urlencoded");
  if (form && body.length > MAX_OVERRIDING) return null;
  const multipart = method === "POST" && types.includes("multipart/form-data");
  const json = method === "POST" && types.some((type) => type.endsWith("json"));
  if (!(form || multipart || json)) return said;
  // What does not name it needs no reading; a long body has been read by then.
  if (body.length <= MAX_OVERRIDING && !namesMethod(body)) return said;
  if (form) said.push(...overridesIn(decoder.decode(body)));
  if (form || multipart) {
    const fields = asked.facts.form("_method");
    if (!fields.known) return null;
    said.push(...fields.value);
  }
  if (json) {
    // What is no JSON names no method; what is read in two ways may.
    const found = asked.facts.json(["_method"]);
    if (!found.known && found.reason === "ambiguous") return null;
    if (found.known) said.push(...found.value.map(({ text }) => text));
  }
  return said;
}
