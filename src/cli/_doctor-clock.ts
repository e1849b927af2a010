/** The clock: what certificates, leaves and attestations are dated by. */
import type { Config } from "../config/config.ts";
import { workerAuditPath } from "../config/worker-log.ts";
import { messageOf } from "../errors.ts";
import { callsOf } from "../model/linux.ts";
import type { Runtime } from "../runtime/contract.ts";
import type { Finding } from "./_doctor-needs.ts";

const YEAR_2025 = 1_735_689_600_000;
const YEAR_2100 = 4_102_444_800_000;
const ABOUT = "clock";
/** struct timex where a long has 8 bytes: where the status is, and its bit for "not synchronised". */
const TIMEX_BYTES = 208;
const STATUS_AT = 40;
const MAX_ERROR_AT = 24;
const STA_UNSYNC = 0x40;
/** Touched by systemd-timesyncd when it has set the clock. */
const TIMESYNC = "/run/systemd/timesync/synchronized";
const TAIL_BYTES = 64 * 1024;
/** Clocks of two lines differ by what was under way between them. */
const AHEAD_MS = 1_000;

export async function clock(runtime: Runtime, config: Config | null): Promise<Finding[]> {
  const now = runtime.now();
  const iso = new Date(now).toISOString();
  if (now < YEAR_2025 || now > YEAR_2100) {
    const detail = `${iso}: certificates would carry a wrong time, and no leaf would be valid`;
    return [{ state: "warn", about: ABOUT, detail, fix: "set it, and let NTP keep it" }];
  }
  const newest = config === null ? null : await newestLine(runtime, config);
  const findings: Finding[] = [];
  if (newest !== null && newest > now + AHEAD_MS) {
    const detail = `the newest audit line is ${spanOf(newest - now)} ahead of it (${new Date(newest).toISOString()}): it went back, and verify will tell a step`;
    findings.push({ state: "warn", about: ABOUT, detail, fix: "set it, before more is written" });
  }
  const age = newest === null ? "" : `; the newest audit line is ${spanOf(Math.max(0, now - newest))} old`;
  const { state, detail, fix } = await synchronised(runtime);
  return [
    ...findings,
    {
      state,
      about: ABOUT,
      detail: `${iso}, ${detail}${findings.length > 0 ? "" : age}`,
      ...(fix === undefined ? {} : { fix }),
    },
  ];
}

const NTP = "turn on chrony, systemd-timesyncd or ntpd on the host";

async function synchronised(runtime: Runtime): Promise<Omit<Finding, "about">> {
  if (runtime.platform !== "linux")
    return { state: "ok", detail: `sane; whether it is synchronised only Linux is asked` };
  // adjtimex(2) with no mode set: reads, and needs no privilege.
  const call = callsOf(runtime.arch)?.adjtimex;
  const timesync = (await runtime.stat(TIMESYNC).catch(() => null)) !== null;
  if (timesync) return { state: "ok", detail: "synchronised (systemd-timesyncd)" };
  if (call === undefined) return { state: "note", detail: `sane; not asked on ${runtime.arch}` };
  try {
    const timex = new Uint8Array(TIMEX_BYTES);
    const answer = runtime.systemCall(call, timex);
    if (answer < 0) return { state: "note", detail: `sane; the kernel does not tell whether it is synchronised` };
    const view = new DataView(timex.buffer);
    if ((view.getInt32(STATUS_AT, true) & STA_UNSYNC) === 0) {
      const error = Number(view.getBigInt64(MAX_ERROR_AT, true)) / 1000;
      return { state: "ok", detail: `synchronised to ${Math.ceil(error)} ms at worst` };
    }
    return { state: "note", detail: "sane, and the kernel knows of nobody who keeps it synchronised", fix: NTP };
  } catch (thrown) {
    return {
      state: "note",
      detail: `sane; whether it is synchronised cannot be asked: ${messageOf(thrown)}`,
      ...(runtime.name === "deno" ? { fix: "deno run --allow-ffi" } : {}),
    };
  }
}

/** When the last whole line of the log was written; of all workers' the newest. Null: there is none. */
async function newestLine(runtime: Runtime, { auditPath, workers }: Config): Promise<number | null> {
  if (auditPath === "-") return null;
  const paths =
    workers === 1 ? [auditPath] : Array.from({ length: workers }, (_, number) => workerAuditPath(auditPath, number));
  let newest: number | null = null;
  for (const path of paths) {
    const tail = await runtime.readTail(path, TAIL_BYTES).catch(() => new Uint8Array());
    const line = new TextDecoder().decode(tail).split("\n").at(-2) ?? "";
    const at = timestampOf(line);
    if (at !== null && (newest === null || at > newest)) newest = at;
  }
  return newest;
}

function timestampOf(line: string): number | null {
  try {
    const { timestamp } = JSON.parse(line) as { timestamp?: unknown };
    const at = typeof timestamp === "string" ? Date.parse(timestamp) : Number.NaN;
    return Number.isNaN(at) ? null : at;
  } catch {
    return null;
  }
}

function spanOf(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}
