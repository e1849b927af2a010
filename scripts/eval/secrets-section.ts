/** Secrets and personal data, for the report. */
import type { Section } from "./section.ts";

export const secrets: Section = () => null;
