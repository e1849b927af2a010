import { type BodyKind, compileDlp, type Dlp, type DlpFinding, type DlpSettings } from "../../src/dlp/dlp.ts";

export const ALL: DlpSettings = { modes: { personal: "sanitize", health: "sanitize", secret: "sanitize" } };
const encoder = new TextEncoder();

export function drive<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

export function scan(
  body: string | Uint8Array,
  {
    kind = "text",
    host = "collector.example",
    dlp = compileDlp(ALL),
  }: { kind?: BodyKind; host?: string; dlp?: Dlp } = {},
): readonly DlpFinding[] {
  const bytes = typeof body === "string" ? encoder.encode(body) : body;
  const findings = drive(dlp.scanBody(bytes, { kind, host }));
  if (findings === "exhausted") throw new Error("exhausted without a budget");
  return findings;
}

export function names(body: string, options: Parameters<typeof scan>[1] = {}): string[] {
  return scan(body, options)
    .filter(({ confidence }) => confidence !== "low")
    .map(({ name }) => name);
}

export function sanitize(body: string, kind: BodyKind, dlp: Dlp = compileDlp(ALL)): string {
  const done = drive(dlp.sanitize(encoder.encode(body), { kind, host: "collector.example" }));
  if (done === "exhausted") throw new Error("exhausted without a budget");
  return new TextDecoder("utf-8", { fatal: true }).decode(done.bytes);
}
