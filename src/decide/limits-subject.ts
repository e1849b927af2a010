/** An egress as limits look at it. */
import type { LimitProgram } from "../limits/compile.ts";
import { modelCall } from "../limits/model-call.ts";
import type { LimitSubject } from "../limits/subject.ts";
import type { Decision } from "../model/decision.ts";
import type { Egress, HeldBody } from "../model/egress.ts";
import { headerValue } from "../model/headers.ts";
import { type BodyDecoder, contentCodings, isVeto } from "./decode.ts";

export interface SubjectSource {
  readonly tenant: string;
  readonly decode: BodyDecoder;
}

/**
 * Waits only where a coded body has to be undone and some limit reads it. A body that cannot be undone is no body: whoever
 * reads amounts refuses it.
 */
export function subjectOf(
  { tenant, decode }: SubjectSource,
  program: LimitProgram,
  egress: Egress,
  { body, decision }: { readonly body: HeldBody | null; readonly decision: Decision },
): LimitSubject | Promise<LimitSubject> {
  const sent = decision.replacement ?? body?.bytes ?? null;
  const make = (read: Uint8Array | null): LimitSubject => describe(tenant, program, egress, { sent, read });
  if (sent === null || !(program.readsModels || program.readsPayments)) return make(null);
  // What replaces a body is not coded.
  if (!egress.coded || decision.replacement !== null) return make(sent);
  const codings = contentCodings(egress.headers);
  if (isVeto(codings)) return make(null);
  if (codings.length === 0) return make(sent);
  return decode(sent, codings).then((decoded) => make(decoded instanceof Uint8Array ? decoded : null));
}

interface Bodies {
  readonly sent: Uint8Array | null;
  readonly read: Uint8Array | null;
}

function describe(tenant: string, program: LimitProgram, egress: Egress, { sent, read }: Bodies): LimitSubject {
  const { destination, headers, method, path } = egress;
  const mark = path.indexOf("?");
  const bare = mark === -1 ? path : path.slice(0, mark);
  return {
    tenant,
    agent: egress.principal.agent ?? headerValue(headers, "x-agent-id"),
    parent: headerValue(headers, "x-parent-agent-id"),
    host: destination.host,
    port: destination.port,
    literal: destination.literal,
    method,
    path: bare,
    tunnel: egress.phase === "tunnel",
    inside: egress.parent !== null,
    bytes: sent?.length ?? 0,
    call: program.readsModels ? modelCall(bare, read) : null,
    paying: {
      body: read,
      contentType: headerValue(headers, "content-type") ?? "",
      query: mark === -1 ? "" : path.slice(mark + 1),
    },
  };
}
