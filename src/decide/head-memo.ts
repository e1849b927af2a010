/**
 * An agent's requests to one place differ little in their heads: the same key, the same user agent, the same path. What was
 * told of a field the last time is told again, and what an engine has read to no effect it need not read again.
 */
import { redactPath } from "../dlp/redact-path.ts";
import type { Engine } from "../engine/engine.ts";
import type { Egress } from "../model/egress.ts";
import type { Field } from "../model/question.ts";
import { type Fingerprint, tellHeader } from "./credential-fields.ts";

/** Fields beyond this many are read every time. */
const MAX_FIELDS = 64;
/** Bytes of lines that are remembered. */
const MAX_LINES = 2048;
const asked = new Uint8Array(MAX_LINES);

/** The last head that was seen at one destination. Used for one request at a time, between two awaits. */
export class HeadMemo {
  readonly #fingerprint: Fingerprint;
  readonly #names: string[] = [];
  readonly #values: string[] = [];
  readonly #told: (readonly Field[])[] = [];
  /** The engine that found nothing in a field; null: none yet. */
  readonly #quiet: (Engine | null)[] = [];
  #path = "";
  #redacted = "";
  #quietPath: Engine | null = null;
  /** The lines of the last head in which nothing was found, as they came. */
  #lines: Uint8Array | null = null;
  #linesSize = 0;
  #linesEngine: Engine | null = null;

  constructor(fingerprint: Fingerprint) {
    this.#fingerprint = fingerprint;
  }

  /** The path without query as certificates and questions name it. */
  pathOf(path: string): string {
    if (path !== this.#path) {
      this.#path = path;
      this.#redacted = redactPath(path);
      this.#quietPath = null;
    }
    return this.#redacted;
  }

  knowsPath(path: string, engine: Engine): boolean {
    return path === this.#path && this.#quietPath === engine;
  }

  /** As a question tells them. */
  fieldsOf({ headers }: Egress): Field[] {
    const fields: Field[] = [];
    for (let i = 0, at = 0; i + 1 < headers.length; i += 2, at++) {
      for (const field of this.#tell(at, headers[i] as string, headers[i + 1] as string)) fields.push(field);
    }
    return fields;
  }

  /** Those that this engine has not read yet: `fields` as they are told, `raw` as names and values in turn. */
  unread(egress: Egress, engine: Engine): { readonly fields: readonly Field[]; readonly raw: readonly string[] } {
    if (this.#isQuiet(egress, engine)) return NOTHING_UNREAD;
    const { headers } = egress;
    let fields: Field[] | null = null;
    let raw: string[] | null = null;
    for (let i = 0, at = 0; i + 1 < headers.length; i += 2, at++) {
      const name = headers[i] as string;
      const value = headers[i + 1] as string;
      const told = this.#tell(at, name, value);
      if (at < MAX_FIELDS && this.#quiet[at] === engine) continue;
      fields = fields === null ? [...told] : [...fields, ...told];
      if (raw === null) raw = [];
      raw.push(name, value);
    }
    return fields === null || raw === null ? NOTHING_UNREAD : { fields, raw };
  }

  /** This engine has read this head, and found nothing in it. */
  quiet(egress: Egress, engine: Engine): void {
    this.pathOf(egress.path);
    this.#quietPath = engine;
    if (this.#isQuiet(egress, engine)) return;
    const { headers, block } = egress;
    const count = Math.min(headers.length >> 1, MAX_FIELDS);
    for (let at = 0; at < count; at++) {
      // Another request may have been remembered while this one was read.
      const same = this.#names[at] === headers[2 * at] && this.#values[at] === headers[2 * at + 1];
      if (same) this.#quiet[at] = engine;
    }
    if (block === null || block.size > MAX_LINES) return;
    this.#lines ??= new Uint8Array(MAX_LINES);
    block.copyTo(this.#lines, 0);
    this.#linesSize = block.size;
    this.#linesEngine = engine;
  }

  /** The same bytes as those of the last head that this engine found nothing in: they need not become strings. */
  #isQuiet({ block }: Egress, engine: Engine): boolean {
    const lines = this.#lines;
    if (lines === null || block === null || block.size !== this.#linesSize || this.#linesEngine !== engine)
      return false;
    block.copyTo(asked, 0);
    for (let i = 0; i < block.size; i++) if (asked[i] !== lines[i]) return false;
    return true;
  }

  #tell(at: number, name: string, value: string): readonly Field[] {
    if (at >= MAX_FIELDS) return tellHeader(name, value, this.#fingerprint);
    if (this.#values[at] !== value || this.#names[at] !== name) {
      this.#told[at] = tellHeader(name, value, this.#fingerprint);
      this.#names[at] = name;
      this.#values[at] = value;
      this.#quiet[at] = null;
    }
    return this.#told[at] as readonly Field[];
  }
}

const NOTHING_UNREAD = { fields: [], raw: [] } as const;
