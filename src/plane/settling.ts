/** What limits took for an answer, as a token that any replica settles once: nothing is kept in the process that gave it. */
import { z } from "zod";
import { fromBase64Url, toBase64Url } from "../crypto/base64url.ts";
import { constantTimeEqual } from "../crypto/digest.ts";
import { LENT_MS } from "../decide/limits-lending.ts";
import type { Reservation } from "../decide/limits-reservation.ts";
import { MAX_SETTLE_TOKEN, type Outcome, type Settle } from "../decide/outcome-schema.ts";
import { LEASE_MS } from "../limits/claims.ts";
import { MAX_TOKENS, type TokenUse } from "../limits/prices.ts";
import { BUDGETS } from "../limits/schema.ts";
import { readsUsage, settlementOf } from "../limits/settlement.ts";
import type { LendingStore } from "../limits/store.ts";

const count = z.int().min(0);

/** A relay may say what it likes: what is counted stays a whole number that a double holds, also when both ways are added. */
const MAX_BYTES = 2 ** 50;

const lentSchema = z.strictObject({
  tenant: z.string(),
  holder: z.string(),
  holdings: z.array(
    z.discriminatedUnion("kind", [
      z.strictObject({ kind: z.literal("slots"), key: z.string() }),
      z.strictObject({
        kind: z.literal("window"),
        key: z.string(),
        part: z.enum(BUDGETS),
        window: z.int(),
        amount: count,
        price: z.strictObject({ input: count, cached: count, output: count }).nullable(),
      }),
    ]),
  ),
});

type Lent = z.infer<typeof lentSchema>;

export interface SettlingParts {
  /** Hex HMAC under a key that only the replicas have. */
  readonly hmac: (text: string) => string;
  readonly store: LendingStore;
}

export class Settling {
  readonly #parts: SettlingParts;

  constructor(parts: SettlingParts) {
    this.#parts = parts;
  }

  /** Null when there is nothing to settle, or too much of it to be told: then it stays as it was reserved. */
  lend(tenant: string, { holder, holdings }: Pick<Reservation, "holder" | "holdings">): Settle | null {
    if (holdings.length === 0) return null;
    const told = holdings.map((holding) => {
      if (holding.kind === "slots" || holding.price === null) return holding;
      const { input, cached, output } = holding.price;
      return { ...holding, price: { input, cached, output } };
    });
    const payload = toBase64Url(encoder.encode(JSON.stringify({ tenant, holder, holdings: told })));
    const token = `${payload}.${this.#parts.hmac(payload)}`;
    if (token.length > MAX_SETTLE_TOKEN) return null;
    this.#parts.store.lend(holder, LENT_MS);
    const usage = holdings.some((each) => each.kind === "window" && readsUsage(each.part));
    return { token, usage };
  }

  /** False for what is not (any more) this tenant's to settle. Rejects when the counters cannot be had. */
  async settle(tenant: string, { settle: token, ended }: Outcome): Promise<boolean> {
    const lent = this.#read(token);
    if (lent === null || lent.tenant !== tenant) return false;
    const { holder, holdings } = lent;
    const { store } = this.#parts;
    if (ended === null) {
      const places = holdings.filter(({ kind }) => kind === "slots").map(({ key }) => key);
      return store.prolong(holder, places, { lentMs: LENT_MS, leaseMs: LEASE_MS });
    }
    const { sent, status, bytes_up: bytesUp, bytes_down: bytesDown, whole, usage } = ended;
    const carried = {
      sent,
      status,
      bytesUp: Math.min(bytesUp, MAX_BYTES),
      bytesDown: Math.min(bytesDown, MAX_BYTES),
      error: whole ? null : "cut",
    };
    return store.settle(holder, settlementOf(holdings, carried, usage === null ? null : bounded(usage)));
  }

  #read(token: string): Lent | null {
    const [payload = "", mac = "", ...rest] = token.split(".");
    if (rest.length > 0 || !constantTimeEqual(mac, this.#parts.hmac(payload))) return null;
    const bytes = fromBase64Url(payload);
    return bytes === null ? null : (lentSchema.safeParse(JSON.parse(decoder.decode(bytes))).data ?? null);
  }
}

function bounded({ input, cached, output }: TokenUse): TokenUse {
  const most = (tokens: number): number => Math.min(tokens, MAX_TOKENS);
  return { input: most(input), cached: most(cached), output: most(output) };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
