/** Tokens of the Authorization field. Their hashes are compared, so that not even a token's length shows in the time it takes. */
import { constantTimeEqual } from "./digest.ts";

interface Hashing {
  sha256(text: string): string;
}

/** Hash of the bearer token; null: there is none. */
export function bearerHash({ sha256 }: Hashing, authorization: string | undefined): string | null {
  const token = /^bearer +([\u0021-\u007e]+) *$/i.exec(authorization ?? "")?.[1];
  return token === undefined ? null : sha256(token);
}

/** Whether metrics are shown: with the token to everybody who has it, without one set to this host. */
export function mayScrape(
  hashing: Hashing,
  adminHash: string | null,
  peer: string,
  authorization: string | undefined,
): boolean {
  if (adminHash === null) return peer.startsWith("127.") || peer === "::1";
  const given = bearerHash(hashing, authorization);
  return given !== null && constantTimeEqual(given, adminHash);
}
