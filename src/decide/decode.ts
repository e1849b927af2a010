/** Content codings, undone for inspection only: what is forwarded are the bytes as they came. */

import { Fault } from "../errors.ts";
import { MAX_UNFOLDED, mostUnfolded } from "../model/bounds.ts";
import { block, type Decision } from "../model/decision.ts";
import type { HeaderList } from "../model/headers.ts";
import type { ContentCoding, Runtime } from "../runtime/contract.ts";
import { MESSAGE_CODINGS } from "../wire/grpc.ts";
import { trimSpace } from "../wire/http1-chars.ts";

const CODINGS: Readonly<Record<string, ContentCoding>> = {
  gzip: "gzip",
  "x-gzip": "gzip",
  deflate: "deflate",
  br: "br",
  zstd: "zstd",
};
const MAX_STACKED = 3;

/** Codings in the order they were applied, `identity` left out. A Decision vetoes what cannot be undone. */
export type Codings = readonly ContentCoding[] | Decision;

const NONE: readonly ContentCoding[] = [];

/** Some servers read `Content_Encoding`, and a few any mark for the hyphen. */
const ENCODING = /^content[^a-z0-9]encoding$/i;
const TYPE = /^content[^a-z0-9]type$/i;

/** As `contentCodings`, of a body that is read as a whole: messages inside it are unpacked where gRPC is relayed as such only. */
export function bodyCodings(headers: HeaderList): Codings {
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string;
    if ((name.length === 13 || name.length === 24) && MESSAGE_CODINGS.has(name.toLowerCase())) {
      if (trimSpace(headers[i + 1] as string).toLowerCase() !== "identity")
        return undecodable("messages inside the body are compressed, and it is not sent as gRPC");
    }
  }
  return contentCodings(headers);
}

export function contentCodings(headers: HeaderList): Codings {
  let fields: string | null = null;
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    if (name.length === 16 && ENCODING.test(name)) {
      if (name[7] !== "-") return undecodable("a field says in a second way how the body is coded");
      fields = fields === null ? value : `${fields},${value}`;
    } else if (name.length === 12 && TYPE.test(name) && hidesText(value)) {
      return undecodable("the body is in a character set that cannot be inspected");
    }
  }
  if (fields === null) return NONE;
  const found: ContentCoding[] = [];
  for (const token of fields.split(",")) {
    const name = trimSpace(token).toLowerCase();
    if (name === "" || name === "identity") continue;
    const coding = Object.hasOwn(CODINGS, name) ? CODINGS[name] : undefined;
    if (coding === undefined) return undecodable("the body has a content coding that cannot be inspected");
    if (found.length === MAX_STACKED) return undecodable(`the body has more than ${MAX_STACKED} content codings`);
    found.push(coding);
  }
  return found;
}

/** Character sets whose letters are not the bytes of ASCII: UTF-7, BOCU and EBCDIC. (UTF-16 and UTF-32 only add zeros.) */
const HIDING =
  /charset[ \t]*=[ \t]*["']?(?:(?:x-|cs)?(?:utf-?7|unicode-?1-?1-?utf-?7|bocu|ebcdic)|(?:cs|x-)?(?:ibm|cp|ccsid)[-_]?0*(?:37|27[378]|28[0457]|290|297|42[034]|500|833|838|87[015]|880|905|918|924|93[03579]|102[56]|1047|11[34]\d)(?!\d))/i;

function hidesText(contentType: string): boolean {
  // As servers do that skip empty parameters and quotes: what stands before the name says nothing.
  return contentType.length > 12 && HIDING.test(contentType);
}

export function isVeto(codings: Codings): codings is Decision {
  return !Array.isArray(codings);
}

/**
 * Resolves with the decoded bytes, or with the veto. Never rejects for what the peer sent. What the outer codings came
 * to on the way is added to `layers`.
 */
export type BodyDecoder = (
  bytes: Uint8Array,
  codings: readonly ContentCoding[],
  layers?: Uint8Array[],
) => Promise<Uint8Array | Decision>;

/** What a body may come to: all that may ever be inspected of one. */
export function decodedCap(maxBody: number): number {
  return Math.min(8 * maxBody, MAX_UNFOLDED);
}

/** As many decodings at a time as fit `maxHeld` at their largest; the others wait their turn. */
export function bodyDecoder(
  runtime: Pick<Runtime, "decode">,
  config: { readonly maxBody: number; readonly maxHeld: number },
): BodyDecoder {
  const cap = decodedCap(config.maxBody);
  const waiting: (() => void)[] = [];
  let free = Math.max(1, Math.floor(config.maxHeld / cap));

  async function take(): Promise<void> {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
  }

  function give(): void {
    const next = waiting.shift();
    if (next === undefined) free += 1;
    else next();
  }

  return async (bytes, codings, layers) => {
    if (bytes.length === 0) return bytes;
    const bound = Math.min(cap, mostUnfolded(bytes.length));
    await take();
    try {
      let decoded = bytes;
      for (let i = codings.length - 1; i >= 0; i--) {
        decoded = await runtime.decode(codings[i] as ContentCoding, decoded, bound);
        if (decoded.length > bound) return bomb(bound);
        if (i > 0) layers?.push(decoded);
      }
      return decoded;
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
      if (thrown.code === "decode_too_large") return bomb(bound);
      if (thrown.code === "decode_failed") return undecodable(thrown.message);
      throw thrown;
    } finally {
      give();
    }
  };
}

/** The same for one message of a stream. Rejects as `Runtime.decode` does. */
export function messageDecoder(
  runtime: Pick<Runtime, "decode">,
  config: { readonly maxBody: number; readonly maxHeld: number },
): Runtime["decode"] {
  const decode = bodyDecoder(runtime, config);
  return async (coding, bytes, maxBytes) => {
    const decoded = await decode(bytes, [coding]);
    if (!(decoded instanceof Uint8Array))
      throw new Fault(decoded.vector === "body_bomb" ? "decode_too_large" : "decode_failed", decoded.reason);
    if (decoded.length > maxBytes) throw new Fault("decode_too_large", "the message is too large when decoded");
    return decoded;
  };
}

function undecodable(reason: string): Decision {
  return block(reason, "body_undecodable");
}

function bomb(bound: number): Decision {
  return block(`the body is more than ${bound} bytes when decoded`, "body_bomb");
}
