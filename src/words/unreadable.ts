import { messageOf } from "../errors.ts";

const SAID: Readonly<Record<string, string>> = {
  ENOENT: "does not exist",
  ENOTDIR: "does not exist",
  EACCES: "cannot be read by this user",
  EPERM: "cannot be read by this user",
  EISDIR: "is a directory",
};

/** What is said of a path whose file could not be had as text: "does not exist". `thrown` is the file system's or the decoder's. */
export function whyUnreadable(thrown: unknown): string {
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
  if (SAID[code] !== undefined) return SAID[code];
  // A decoder that is told to be fatal throws this, and nothing else on the way does.
  if (thrown instanceof TypeError) return "is not UTF-8 text";
  return `cannot be read: ${messageOf(thrown)}`;
}
