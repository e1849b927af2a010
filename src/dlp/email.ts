/** E-mail addresses, found where an `@` stands. */
import { ALNUM, KIND, LETTER, latin1 } from "./bytes.ts";
import type { Rule } from "./rule.ts";
import type { PlaceDetector } from "./scanner.ts";

const EMAIL: Rule = {
  name: "email-address",
  class: "personal",
  severity: "low",
  issuer: null,
  reason: "an e-mail address",
};

const LOCAL = /[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]/;
const isLocal = new Uint8Array(256).map((_, code) => (code < 128 && LOCAL.test(String.fromCharCode(code)) ? 1 : 0));

/** Hosts that are reserved, and what is no host but the end of a file's name. */
const NOBODYS = /(?:^|\.)example(?:\.|$)|\.(?:test|invalid|local|png|jpe?g|gif|js|css)$/i;

/** An `@`: the address around it. */
export const emailAt: PlaceDetector = (bytes, at, sink) => {
  if (at === 0 || ((KIND[bytes[at + 1] ?? 0] as number) & ALNUM) === 0 || isLocal[bytes[at - 1] as number] === 0)
    return at + 1;
  let start = at;
  while (start > 0 && at - start < 64 && isLocal[bytes[start - 1] as number] === 1) start--;
  let end = at + 1;
  let dot = -1;
  for (; end < bytes.length && end - at < 255; end++) {
    const byte = bytes[end] as number;
    if (byte === 0x2e) dot = end;
    else if (((KIND[byte] as number) & ALNUM) === 0 && byte !== 0x2d) break;
  }
  if (dot === end - 1) {
    end--;
    for (dot = end - 1; dot > at && bytes[dot] !== 0x2e; ) dot--;
  }
  if (start === at || dot <= at + 1 || end - dot < 3 || ((KIND[bytes[dot + 1] as number] as number) & LETTER) === 0)
    return at + 1;
  sink.add(EMAIL, start, end, NOBODYS.test(latin1(bytes, at + 1, end)) ? "low" : "medium");
  return end;
};
