/** What the evidence of one run says, counted. Nothing is counted that is not in it. */
import { readLines } from "../evidence/lines.ts";
import type { Runtime } from "../runtime/contract.ts";
import { filesOf } from "./_verify-target.ts";

/** Hosts, and kinds of veto, that are told one by one. */
const MAX_GROUPS = 256;
/** Allows whose outcome has not been read; of more it is only known that they were. */
const MAX_OPEN = 262_144;

export interface HostCount {
  readonly host: string;
  readonly port: number;
  /** An upstream was connected to at least once. */
  reached: boolean;
  tunnels: number;
  requests: number;
  /** Messages and answers that have a certificate of their own. */
  others: number;
  vetoed: number;
  /** Allowed, and not ended well. */
  failed: number;
}

export interface VetoCount {
  readonly verdict: string;
  readonly host: string;
  readonly pillar: string | null;
  readonly vector: string | null;
  readonly reason: string;
  /** False: only recorded, because the mode does not enforce. */
  readonly enforced: boolean;
  /** The first of them. */
  readonly certificate: string;
  count: number;
}

export interface UnreadCount {
  readonly host: string;
  /** `distrust`: the client did not take our certificate; `passed`: its bytes went through unread. */
  readonly why: "distrust" | "passed";
  count: number;
}

export interface Counted {
  readonly hosts: readonly HostCount[];
  readonly vetoes: readonly VetoCount[];
  readonly unread: readonly UnreadCount[];
  readonly certificates: number;
  /** Lines that are no certificate or outcome. */
  readonly unreadable: number;
  /** Hosts or kinds of veto found no room above. */
  readonly more: boolean;
}

interface Line {
  readonly certificate_id?: unknown;
  readonly verdict?: unknown;
  readonly would?: unknown;
  readonly phase?: unknown;
  readonly reason?: unknown;
  readonly matched_pillar?: unknown;
  readonly matched_vector?: unknown;
  readonly request?: { readonly host?: unknown; readonly port?: unknown } | null;
  readonly address?: unknown;
  readonly error?: unknown;
  readonly protocol?: unknown;
  readonly severed?: unknown;
}

/** `folder` has the evidence of nothing else. Rejects as the file system does. */
export async function countEvidence(runtime: Runtime, folder: string): Promise<Counted> {
  const tally = new Tally();
  for (const { chunks } of await filesOf(runtime, `${folder}/audit.jsonl`))
    await tally.read(chunks(), (line) => tally.certificate(line));
  for (const { chunks } of await filesOf(runtime, `${folder}/outcomes.jsonl`))
    await tally.read(chunks(), (line) => tally.outcome(line));
  return tally.counted();
}

class Tally {
  readonly #hosts = new Map<string, HostCount>();
  readonly #vetoes = new Map<string, VetoCount>();
  readonly #unread = new Map<string, UnreadCount>();
  /** Certificate → host. */
  readonly #open = new Map<string, HostCount>();
  #certificates = 0;
  #unreadable = 0;
  #more = false;

  async read(chunks: AsyncIterable<Uint8Array>, take: (line: Line) => void): Promise<void> {
    for await (const { lines } of readLines(chunks)) {
      for (const text of lines) {
        if (text === "") continue;
        const line = typeof text === "string" ? parsed(text) : null;
        if (line === null) this.#unreadable++;
        else take(line);
      }
    }
  }

  certificate(line: Line): void {
    this.#certificates++;
    const { request, phase } = line;
    if (typeof request?.host !== "string" || typeof request.port !== "number") return;
    const host = this.#hostOf(request.host, request.port);
    if (host === null) return;
    if (phase === "tunnel") host.tunnels++;
    else if (phase === "request") host.requests++;
    else host.others++;
    const verdict = String(line.verdict);
    const refused = verdict !== "allow" && verdict !== "sanitize";
    const would = typeof line.would === "string" ? line.would : null;
    if (refused) host.vetoed++;
    else if (this.#open.size < MAX_OPEN) this.#open.set(String(line.certificate_id), host);
    if (refused || would !== null) this.#veto(line, refused ? verdict : (would ?? ""), refused);
  }

  outcome(line: Line): void {
    const host = this.#open.get(String(line.certificate_id));
    if (host === undefined) return;
    if (typeof line.address === "string") host.reached = true;
    const { error, protocol } = line;
    if (error === "client_tls_failed") this.#unreadBy(host.host, "distrust");
    // What we cut ourselves was vetoed, and is told so.
    else if (typeof error === "string" && line.severed !== true) host.failed++;
    if (protocol === "tls" || protocol === "tls+ech" || protocol === "opaque") this.#unreadBy(host.host, "passed");
  }

  counted(): Counted {
    return {
      hosts: [...this.#hosts.values()].sort((a, b) => b.requests - a.requests || (a.host < b.host ? -1 : 1)),
      vetoes: [...this.#vetoes.values()].sort((a, b) => b.count - a.count),
      unread: [...this.#unread.values()],
      certificates: this.#certificates,
      unreadable: this.#unreadable,
      more: this.#more,
    };
  }

  #hostOf(host: string, port: number): HostCount | null {
    const blank = { host, port, reached: false, tunnels: 0, requests: 0, others: 0, vetoed: 0, failed: 0 };
    return this.#group(this.#hosts, `${host} ${port}`, () => blank);
  }

  #veto(line: Line, verdict: string, enforced: boolean): void {
    const told = (value: unknown): string | null => (typeof value === "string" ? value : null);
    const pillar = told(line.matched_pillar);
    const vector = told(line.matched_vector);
    const reason = told(line.reason) ?? "";
    const host = String(line.request?.host);
    const key = JSON.stringify([verdict, host, pillar, vector, reason, enforced]);
    const certificate = String(line.certificate_id);
    const blank = { verdict, host, pillar, vector, reason, enforced, certificate, count: 0 };
    const found = this.#group(this.#vetoes, key, () => blank);
    if (found !== null) found.count++;
  }

  #unreadBy(host: string, why: UnreadCount["why"]): void {
    const found = this.#group(this.#unread, `${why} ${host}`, () => ({ host, why, count: 0 }));
    if (found !== null) found.count++;
  }

  #group<T>(groups: Map<string, T>, key: string, blank: () => T): T | null {
    const known = groups.get(key);
    if (known !== undefined) return known;
    if (groups.size >= MAX_GROUPS) {
      this.#more = true;
      return null;
    }
    const made = blank();
    groups.set(key, made);
    return made;
  }
}

function parsed(text: string): Line | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Line) : null;
  } catch {
    return null;
  }
}
