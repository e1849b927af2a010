/** Content codings, undone for inspection only: what is forwarded are the bytes as they came. */
import { Fault } from "../errors.ts";
import { block, type Decision } from "../model/decision.ts";
import { type HeaderList, headerValues } from "../model/headers.ts";
import type { ContentCoding, Runtime } from "../runtime/contract.ts";

const CODINGS: Readonly<Record<string, ContentCoding>> = {
  gzip: "gzip",
  "x-gzip": "gzip",
  deflate: "deflate",
  br: "br",
  zstd: "zstd",
};
const MAX_STACKED = 3;
const FREE_BYTES = 1024 * 1024;
const MAX_RATIO = 100;
const HARD_CAP = 64 * 1024 * 1024;

/** Codings in the order they were applied, `identity` left out. A Decision vetoes what cannot be undone. */
export type Codings = readonly ContentCoding[] | Decision;

const NONE: readonly ContentCoding[] = [];

export function contentCodings(headers: HeaderList): Codings {
  const fields = headerValues(headers, "content-encoding");
  if (fields.length === 0) return NONE;
  const found: ContentCoding[] = [];
  for (const token of fields.join(",").split(",")) {
    const name = token.trim().toLowerCase();
    if (name === "" || name === "identity") continue;
    const coding = Object.hasOwn(CODINGS, name) ? CODINGS[name] : undefined;
    if (coding === undefined) return undecodable("the body has a content coding that cannot be inspected");
    if (found.length === MAX_STACKED) return undecodable(`the body has more than ${MAX_STACKED} content codings`);
    found.push(coding);
  }
  return found;
}

export function isVeto(codings: Codings): codings is Decision {
  return !Array.isArray(codings);
}

/** Resolves with the decoded bytes, or with the veto. Never rejects for what the peer sent. */
export type BodyDecoder = (bytes: Uint8Array, codings: readonly ContentCoding[]) => Promise<Uint8Array | Decision>;

/** What a body may come to: all that may ever be inspected of one. */
export function decodedCap(maxBody: number): number {
  return Math.min(8 * maxBody, HARD_CAP);
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

  return async (bytes, codings) => {
    if (bytes.length === 0) return bytes;
    const bound = Math.min(cap, Math.max(FREE_BYTES, MAX_RATIO * bytes.length));
    await take();
    try {
      let decoded = bytes;
      for (let i = codings.length - 1; i >= 0; i--) {
        decoded = await runtime.decode(codings[i] as ContentCoding, decoded, bound);
        if (decoded.length > bound) return bomb(bound);
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

function undecodable(reason: string): Decision {
  return block(reason, "body_undecodable");
}

function bomb(bound: number): Decision {
  return block(`the body is more than ${bound} bytes when decoded`, "body_bomb");
}
