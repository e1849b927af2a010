/** What both adapters need of libc, and to ask the kernel through its syscall(2). */
import { Fault, messageOf } from "../errors.ts";

/** Behind the number; each a register wide. */
export const SYSTEM_CALL_ARGUMENTS = ["i64", "i64", "i64", "i64", "i64", "i64"] as const;

/** libc is found under none of its names, or may not be opened. */
export function outOfReach(what: string, cause: unknown): Fault {
  return new Fault("unsupported", `cannot ${what}: the C library is out of reach: ${messageOf(cause)}`, { cause });
}

/** `cause`: null where the kernel is another than Linux. */
export function noSystemCalls(cause: unknown): Fault {
  const why = cause === null ? `not on ${process.platform}` : messageOf(cause);
  return new Fault("unsupported", `cannot ask the kernel: ${why}`, { cause });
}
