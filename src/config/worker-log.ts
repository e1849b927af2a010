/** The audit log of worker `number`: `events.jsonl` is `events.w0.jsonl`, because one process writes one file. */
export function workerAuditPath(auditPath: string, number: number): string {
  return auditPath.replace(/(\.jsonl)?$/, `.w${number}.jsonl`);
}
