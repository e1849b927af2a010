import { manualOf, RESERVED_NAMES, SECTIONS, type SettingName } from "./schema.ts";

const OPENING = `# Configuration

Printed from src/config/schema.ts by \`bun scripts/config-doc.ts\`; edit the schema, not this page.

Everything is an environment variable; no file is needed. An unparsable value, or an empty one where a number, an address
or a path is expected, is an error and never the default; an empty list is an empty list. A variable that begins with
\`EVE_PROXY_\` and is not below is an error too, except those Kubernetes sets for a Service named \`eve-proxy\`. All
problems are listed at once and \`sallyport\` exits 78. Times are in seconds and may have decimals.

A variable marked with † can be given as a file: \`<NAME>_FILE\` holds its path, and one trailing newline of the file is
dropped. Giving both is an error.
`;

/** docs/configuration.md, whole. */
export function configurationPage(): string {
  const parts = [OPENING];
  for (const [title, names] of Object.entries(SECTIONS)) {
    parts.push(
      `## ${title}\n\n| variable | expects | default | meaning |\n|---|---|---|---|\n${names.map(row).join("")}`,
    );
  }
  const reserved = RESERVED_NAMES.map((name) => `\`${name}\``);
  parts.push(
    "## Not supported by this version\n\nThese names are taken. Setting one is an error, because ignoring it would leave " +
      `unenforced what it asks for: ${reserved.join(", ")}.\n`,
  );
  return parts.join("\n");
}

function row(name: SettingName): string {
  const { kind, fallback, doc, file } = manualOf(name);
  const shown = fallback === null ? "" : fallback === "" ? "empty" : `\`${fallback}\``;
  return `| \`${name}\`${file === null ? "" : " †"} | ${kind} | ${shown} | ${doc} |\n`;
}
