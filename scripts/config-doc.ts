/**
 * Writes docs/configuration.md from the schema, so that the manual cannot drift from what is read. With --check it
 * writes nothing and fails when the two differ.
 */
import { configurationPage } from "../src/config/manual.ts";

const file = new URL("../docs/configuration.md", import.meta.url);
const page = configurationPage();
if (!process.argv.includes("--check")) await Bun.write(file, page);
else if ((await Bun.file(file).text()) !== page) {
  console.error("docs/configuration.md is not what src/config/schema.ts says: run bun scripts/config-doc.ts");
  process.exit(1);
}
