/** Secrets and personal data: measured here once the detectors of src/dlp are in place. */
import type { Section } from "./section.ts";

export const secrets: Section = () => null;
