/** What one process knows of its own readiness. Plain JSON, so that a worker can tell its parent. */
export interface HealthSnapshot {
  readonly phase: "starting" | "ready" | "draining";
  readonly evidenceDown: boolean;
  readonly policyStale: boolean;
  readonly planeDown: boolean;
  /** The counters of limits cannot be asked. */
  readonly limitsDown: boolean;
}

export interface HealthAnswer {
  readonly status: 200 | 503;
  /** Flat list of fields without framing. */
  readonly headers: readonly string[];
  readonly body: string;
}

export class Health {
  phase: HealthSnapshot["phase"] = "starting";
  evidenceDown = false;
  policyStale = false;
  planeDown = false;
  limitsDown = false;

  snapshot(): HealthSnapshot {
    const { phase, evidenceDown, policyStale, planeDown, limitsDown } = this;
    return { phase, evidenceDown, policyStale, planeDown, limitsDown };
  }
}

function answer(status: 200 | 503, body: Readonly<Record<string, unknown>>, degraded: readonly string[]): HealthAnswer {
  const headers = ["Content-Type", "application/json", "Cache-Control", "no-store"];
  if (degraded.length > 0) headers.push("X-EVE-Degraded", degraded.join(", "));
  return { status, headers, body: `${JSON.stringify(body)}\n` };
}

/**
 * `/readyz` over every process: one that cannot serve makes the whole unready. What is merely degraded is 200 with a
 * header unless `strict`: one policy typo must not unready a fleet. The body has codes only, anybody may read it.
 */
export function readiness(processes: readonly HealthSnapshot[], strict: boolean): HealthAnswer {
  const { down, degraded } = standing(processes, strict);
  return answer(down === null ? 200 : 503, { status: down ?? "ready", degraded }, degraded);
}

/** `down`: the code of what keeps the whole from being ready, or null. */
export function standing(
  processes: readonly HealthSnapshot[],
  strict: boolean,
): { readonly down: string | null; readonly degraded: readonly string[] } {
  const degraded: string[] = [];
  if (processes.some((p) => p.policyStale)) degraded.push("policy_stale");
  if (processes.some((p) => p.planeDown)) degraded.push("plane_down");
  if (processes.some((p) => p.limitsDown)) degraded.push("limits_down");
  const down = processes.some((p) => p.phase === "draining")
    ? "draining"
    : processes.length === 0 || processes.some((p) => p.phase === "starting")
      ? "starting"
      : processes.some((p) => p.evidenceDown)
        ? "evidence_unwritable"
        : strict && degraded.length > 0
          ? "degraded"
          : null;
  return { down, degraded };
}

/** `/healthz`: being able to answer at all is the check. */
export function liveness(): HealthAnswer {
  return answer(200, { status: "ok" }, []);
}

/** The same where answers are made by fetch's Response. */
export function healthResponse({ status, headers, body }: HealthAnswer): Response {
  const fields = new Headers();
  for (let i = 0; i + 1 < headers.length; i += 2) fields.set(headers[i] as string, headers[i + 1] as string);
  return new Response(body, { status, headers: fields });
}
