/** The OPA policy in force: read from its file or fetched, replaced as a whole, the last good one kept. */

import type { OpaConfig } from "../config/config.ts";
import { messageOf } from "../errors.ts";
import { NO_TERMS } from "../policy/cache-terms.ts";
import type { HttpReply, Runtime } from "../runtime/contract.ts";
import { quote } from "../words/quote.ts";
import { whyUnreadable } from "../words/unreadable.ts";
import { oneByOne } from "./one-by-one.ts";
import { MAX_BUNDLE_BYTES, type OpaProgram, openOpaBundle, refusal } from "./opa-bundle.ts";
import { OpaEngine, type OpaSettings } from "./opa-engine.ts";
import { verdictsOf } from "./policy.ts";
import type { FetchedPolicy } from "./policy-bundle.ts";

const TIMEOUT_MS = 10_000;

type Machine = Pick<Runtime, "httpClient" | "readFile" | "stat" | "decode" | "sha256">;

/** Rejects with Fault `policy_invalid`: nothing is decided before there is a policy. */
export async function openOpaPolicy(
  runtime: Machine,
  config: OpaConfig,
  settings: OpaSettings,
): Promise<FetchedPolicy> {
  const { bundle, entrypoint } = config;
  const client = /^https?:\/\//.test(bundle) ? runtime.httpClient({ maxSockets: 1 }) : null;
  let etag: string | null = null;
  let program: OpaProgram;
  let engine: OpaEngine;
  let problem: string | null = null;

  /** Null: it is the one in force. */
  async function archive(): Promise<Uint8Array | null> {
    if (client === null) return fromFile();
    const headers: Record<string, string> = etag === null ? {} : { "if-none-match": etag };
    let reply: HttpReply;
    try {
      reply = await client.send(bundle, "GET", headers, null, MAX_BUNDLE_BYTES, AbortSignal.timeout(TIMEOUT_MS));
    } catch (thrown) {
      throw refusal(`cannot be fetched: ${messageOf(thrown)}`);
    }
    if (reply.status === 304 && etag !== null) return null;
    if (reply.status !== 200) throw refusal(`was answered with status ${reply.status}`);
    fresh = reply.headers.etag ?? null;
    return reply.body;
  }
  /** The tag of what was fetched, which counts when it has proved good. */
  let fresh: string | null = null;

  async function fromFile(): Promise<Uint8Array> {
    try {
      const info = await runtime.stat(bundle);
      if (info === null) throw refusal(`${quote(bundle)} does not exist`);
      if (info.directory || info.size > MAX_BUNDLE_BYTES) {
        throw refusal(`${quote(bundle)} is no file of at most ${MAX_BUNDLE_BYTES} bytes`);
      }
      return await runtime.readFile(bundle);
    } catch (thrown) {
      throw thrown instanceof Error && thrown.name === "Fault"
        ? thrown
        : refusal(`${quote(bundle)} ${whyUnreadable(thrown)}`);
    }
  }

  async function replace(): Promise<{ ok: boolean; message: string }> {
    try {
      const bytes = await archive();
      if (bytes !== null) {
        const next = await openOpaBundle(runtime, bytes, entrypoint);
        etag = fresh;
        if (next.version !== program.version) {
          program = next;
          engine = new OpaEngine(next, settings);
        }
      }
      problem = null;
      return { ok: true, message: `OPA policy ${program.version} is in force` };
    } catch (thrown) {
      problem = messageOf(thrown);
      return { ok: false, message: `the OPA policy in force stays ${program.version}: ${problem}` };
    }
  }

  try {
    program = await openOpaBundle(runtime, (await archive()) ?? new Uint8Array(), entrypoint);
    etag = fresh;
    engine = new OpaEngine(program, settings);
  } catch (thrown) {
    client?.close();
    throw thrown;
  }
  return {
    get version() {
      return program.version;
    },
    get engine() {
      return engine;
    },
    get problem() {
      return problem;
    },
    sources: [],
    sequences: [],
    cache: NO_TERMS,
    ...verdictsOf(() => null),
    reload: oneByOne(replace),
    close: () => client?.close(),
  };
}
