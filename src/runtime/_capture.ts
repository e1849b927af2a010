import { spawn } from "node:child_process";
import { Fault, messageOf } from "../errors.ts";
import type { Captured, CaptureOptions, NotStarted, Runtime } from "./contract.ts";

export const capture: Runtime["capture"] = (command, options) => {
  const [program, ...args] = command;
  return new Promise<Captured | NotStarted>((resolve, reject) => {
    const failed = (error: unknown): void => {
      try {
        resolve(notStarted(program, error));
      } catch (fault) {
        reject(fault);
      }
    };
    try {
      started(spawn(program, args, { env: { ...options.env }, stdio: "pipe" }), options, { resolve, failed });
    } catch (error) {
      failed(error);
    }
  });
};

interface Settle {
  resolve(captured: Captured): void;
  failed(error: unknown): void;
}

function started(child: ReturnType<typeof spawn>, options: CaptureOptions, { resolve, failed }: Settle): void {
  const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs);
  const kept = (stream: typeof child.stdout): (() => string) => {
    const chunks: Uint8Array[] = [];
    let room = options.maxBytes;
    stream?.on("data", (bytes: Uint8Array) => {
      if (room > 0) chunks.push(bytes.subarray(0, room));
      room -= bytes.length;
    });
    return () => {
      const decoder = new TextDecoder();
      return chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join("") + decoder.decode();
    };
  };
  const stdout = kept(child.stdout);
  const stderr = kept(child.stderr);
  child.on("error", (error) => {
    clearTimeout(timer);
    failed(error);
  });
  child.on("close", (code, signal) => {
    clearTimeout(timer);
    resolve({ code: signal === null ? code : null, stdout: stdout(), stderr: stderr() });
  });
  // It may end before it has read everything.
  child.stdin?.on("error", () => {});
  child.stdin?.end(options.input);
}

/** What a failed start means: a refusal where the program is to blame, else the Fault. */
export function notStarted(program: string, error: unknown): NotStarted {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" || code === "ENOTDIR") return "not_found";
  // EACCES also of a directory; ENOEXEC of a file that is neither a program nor a script with a first line.
  if (code === "EACCES" || code === "EPERM" || code === "ENOEXEC") return "not_executable";
  throw new Fault("spawn_failed", `cannot start "${program}": ${code ?? messageOf(error)}`, { cause: error });
}
