/** Requests whose body somebody has vouched for: changing it would break them, or break a promise. */
import type { Egress } from "../model/egress.ts";
import { headerValue } from "../model/headers.ts";
import { queryIn } from "../wire/target.ts";

const DIGESTS = [
  "content-digest",
  "repr-digest",
  "digest",
  "content-md5",
  "x-ms-content-sha256",
  "x-goog-content-sha256",
];
const SIGNATURES = ["signature", "signature-input", "stripe-signature", "x-hub-signature", "x-hub-signature-256"];

/** What binds the body, as the end of a sentence ("… is signed"), or null. */
export function boundBy({ headers, path }: Egress): string | null {
  const authorization = headerValue(headers, "authorization") ?? "";
  if (/^(?:AWS4-[A-Z0-9-]+|Signature|SharedKey(?:Lite)?|Digest|HMAC[A-Za-z0-9-]*)[ :]/i.test(authorization)) {
    return "in a signed request";
  }
  for (const name of SIGNATURES) if (headerValue(headers, name) !== null) return "in a signed request";
  for (const name of DIGESTS) if (headerValue(headers, name) !== null) return "bound by a digest";
  const payload = headerValue(headers, "x-amz-content-sha256");
  if (payload !== null && !/^UNSIGNED-PAYLOAD$/i.test(payload)) return "bound by a digest";
  if (headers.some((name, i) => i % 2 === 0 && /^x-amz-checksum-/i.test(name))) return "bound by a digest";
  if (/(?:^|[?&])x-(?:amz|goog)-signature=/i.test(queryIn(path) ?? "")) return "in a signed request";
  return null;
}
