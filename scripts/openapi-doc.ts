/**
 * Writes docs/governance-openapi.json from the schemas that questions and answers are read with. With --check it writes
 * nothing and fails when the two differ.
 */
import { openApiText } from "../src/plane/openapi.ts";

const file = new URL("../docs/governance-openapi.json", import.meta.url);
const text = openApiText();
if (!process.argv.includes("--check")) await Bun.write(file, text);
else if ((await Bun.file(file).text()) !== text) {
  console.error("docs/governance-openapi.json is not what the schemas say: run bun scripts/openapi-doc.ts");
  process.exit(1);
}
