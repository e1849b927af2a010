/** A message of a stream, in the words in which a decider is asked. */
import type { Egress, HeldBody } from "../model/egress.ts";
import type { Runtime } from "../runtime/contract.ts";

/** A message as an egress of its own: where its stream goes, with nothing in its head that was not read with the stream's. */
export class MessageEgress implements Egress {
  readonly phase = "message";
  readonly block = null;
  readonly coded = false;
  readonly wordy = false;
  readonly door: Egress["door"];
  readonly caller: string;
  readonly method: string;
  readonly destination: Egress["destination"];
  readonly target: string;
  readonly path: string;
  readonly headers: Egress["headers"];
  readonly upgrade: Egress["upgrade"];
  readonly conflict: string | null;
  readonly principal: Egress["principal"];
  readonly parent: string;

  constructor(stream: Egress, parent: string) {
    const { door, caller, method, destination, target, path, headers, upgrade, conflict, principal } = stream;
    this.door = door;
    this.caller = caller;
    this.method = method;
    this.destination = destination;
    this.target = target;
    this.path = path;
    this.headers = headers;
    this.upgrade = upgrade;
    this.conflict = conflict;
    this.principal = principal;
    this.parent = parent;
  }
}

/** What one message holds, decoded. */
export class MessageBody implements HeldBody {
  readonly bytes: Uint8Array;
  readonly trailers = null;
  readonly #runtime: Pick<Runtime, "sha256">;
  #sha256: string | null = null;

  constructor(bytes: Uint8Array, runtime: Pick<Runtime, "sha256">) {
    this.bytes = bytes;
    this.#runtime = runtime;
  }

  /** Most messages pass, and nobody asks for it. */
  get sha256(): string {
    this.#sha256 ??= this.#runtime.sha256(this.bytes);
    return this.#sha256;
  }
}
