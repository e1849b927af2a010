export type HelloResult =
  | { kind: "more" }
  | { kind: "hello"; sni: string | null; alpn: string[]; ech: boolean }
  | { kind: "bad"; detail: string }
  | { kind: "not-tls" };
export function readClientHello(_bytes: Uint8Array): HelloResult {
  return { kind: "not-tls" };
}
export const UNRECOGNIZED_NAME_ALERT: Uint8Array = Uint8Array.of(21, 3, 3, 0, 2, 2, 112);
