/**
 * Writes docs/policy.schema.json, which editors check policy files with, from the schema they are read with. With --check
 * it writes nothing and fails when the two differ.
 */
import { policyJsonSchema } from "../src/policy/json-schema.ts";

const file = new URL("../docs/policy.schema.json", import.meta.url);
const text = `${JSON.stringify(policyJsonSchema(), null, 2)}\n`;
if (!process.argv.includes("--check")) await Bun.write(file, text);
else if ((await Bun.file(file).text()) !== text) {
  console.error("docs/policy.schema.json is not what src/policy/schema.ts says: run bun scripts/policy-schema.ts");
  process.exit(1);
}
