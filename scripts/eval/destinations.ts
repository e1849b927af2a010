/** Spellings of addresses that must not be dialled: measured here once the guard has an entry for it. */
import type { Section } from "./section.ts";

export const destinations: Section = () => null;
