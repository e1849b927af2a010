/** Writes docs/configuration.md from the schema, so that the manual cannot drift from what is read. */
import { configurationPage } from "../src/config/manual.ts";

await Bun.write(new URL("../docs/configuration.md", import.meta.url), configurationPage());
