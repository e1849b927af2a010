/** What `exec` says when its command has ended: to people on the standard error, to programs as one JSON object. */
import { quote } from "../words/quote.ts";
import type { Counted, HostCount } from "./_exec-count.ts";

export interface Summary {
  readonly counted: Counted;
  readonly folder: string;
  /** File with the key that certificates verify with; null: the secret is in JWT_SECRET_KEY. */
  readonly keyFile: string | null;
  /** That file signs: its public half is enough to verify with, and the command may be handed on. */
  readonly keyPrivate: boolean;
  readonly sandboxed: boolean;
  readonly mode: "enforce" | "shadow";
  /** The exit code. */
  readonly code: number;
  readonly signal: string | null;
  /** Name of the program that ran, without its arguments: they may have secrets in them. */
  readonly program: string;
  readonly startedMs: number;
  readonly endedMs: number;
}

/** Lines of hosts, and of vetoes, that people are shown. */
const MAX_SHOWN = 20;
const MAX_TEXT = 200;

export function summaryText(summary: Summary): string {
  const { hosts, vetoes, unread, certificates, unreadable, more } = summary.counted;
  const lines: string[] = [];
  const requests = total(hosts, "requests");
  const reached = hosts.filter((host) => host.reached).length;
  const vetoed = total(hosts, "vetoed");
  const say = (text: string): void => void lines.push(`sallyport exec: ${text}`);
  const also = (text: string): void => void lines.push(`  ${text}`);
  if (certificates === 0) say("nothing was sent through the gateway");
  else
    say(
      `${many(requests, "request")}, ${many(reached, "host")} reached, ${vetoed === 0 ? "no veto" : many(vetoed, "veto", "vetoes")}`,
    );
  if (summary.mode === "shadow") also("shadow mode: verdicts of policy were recorded and not enforced");
  shown(hosts, also, (host) => `${placeOf(host)}  ${hostText(host)}`);
  shown(vetoes, also, (veto) => {
    const what = [veto.verdict, veto.pillar, veto.vector].filter((part) => part !== null).join(" ");
    const times = veto.count === 1 ? "" : `${veto.count} times `;
    const told = `${plain(veto.host)}: ${times}${plain(what)}: ${plain(veto.reason)} (${plain(veto.certificate)})`;
    return veto.enforced ? `vetoed  ${told}` : `would be vetoed  ${told}`;
  });
  shown(unread, also, ({ host, why, count }) =>
    why === "distrust"
      ? `not trusted  ${plain(host)}: ${many(count, "connection")} ended because the client did not take the gateway's certificate`
      : `not read  ${plain(host)}: ${many(count, "tunnel")} passed as they were`,
  );
  if (more) also("there is more of it than is told one by one");
  if (unreadable > 0) also(`${many(unreadable, "line")} of the evidence cannot be read`);
  say(`evidence in ${shell(summary.folder)}`);
  if (certificates > 0) also(`verify it: ${verifyCommand(summary)}`);
  return `${lines.join("\n")}\n`;
}

export function summaryJson(summary: Summary): string {
  const { counted, folder, sandboxed, mode, code, signal, program, startedMs, endedMs } = summary;
  const { hosts, vetoes, unread, certificates, unreadable, more } = counted;
  const value = {
    program,
    exit_code: code,
    signal,
    started: new Date(startedMs).toISOString(),
    ended: new Date(endedMs).toISOString(),
    mode,
    sandboxed,
    hosts,
    vetoes,
    unread,
    certificates,
    unreadable_lines: unreadable,
    truncated: more,
    evidence: { folder, verify: certificates > 0 ? verifyCommand(summary) : null },
  };
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** As it can be given to a shell. */
function verifyCommand({ keyFile, keyPrivate, folder }: Summary): string {
  // bash, zsh and ksh: the secret is in no argument and in no file.
  const secret = '<(printf %s "$JWT_SECRET_KEY")';
  const key = keyFile === null ? secret : keyPrivate ? `<(sallyport keys jwks ${shell(keyFile)})` : shell(keyFile);
  return `sallyport verify --key-file ${key} ${shell(folder)}`;
}

function shell(text: string): string {
  return /^[\w/.,:=+@%-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function hostText({ requests, tunnels, others, vetoed, failed, reached }: HostCount): string {
  const parts = [requests > 0 || tunnels === 0 ? many(requests, "request") : many(tunnels, "tunnel")];
  if (others > 0) parts.push(`${many(others, "decision")} inside`);
  if (vetoed > 0) parts.push(`${vetoed} vetoed`);
  if (failed > 0) parts.push(`${failed} failed`);
  if (!reached) parts.push("not reached");
  return parts.join(", ");
}

function placeOf({ host, port }: HostCount): string {
  return `${plain(host.includes(":") ? `[${host}]` : host)}:${port}`;
}

/** A peer chose it: it must not steer a terminal. */
function plain(text: string): string {
  return quote(text, MAX_TEXT).slice(1, -1).replaceAll('\\"', '"');
}

function shown<T>(all: readonly T[], say: (text: string) => void, text: (one: T) => string): void {
  for (const one of all.slice(0, MAX_SHOWN)) say(text(one));
  if (all.length > MAX_SHOWN) say(`and ${all.length - MAX_SHOWN} more`);
}

function total(hosts: readonly HostCount[], what: "requests" | "vetoed"): number {
  return hosts.reduce((sum, host) => sum + host[what], 0);
}

function many(count: number, one: string, several = `${one}s`): string {
  return `${count} ${count === 1 ? one : several}`;
}
