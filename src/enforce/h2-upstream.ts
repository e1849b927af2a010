/** One exchange with an upstream that speaks HTTP/2. */
import { Fault, type FaultCode } from "../errors.ts";
import type { Conn } from "../model/conn.ts";
import type { Deadlined } from "../model/deadlines.ts";
import type { HeaderList } from "../model/headers.ts";
import { ErrorCode, type H2ResponseHead } from "../wire/h2.ts";
import { endToEnd } from "../wire/http1.ts";
import type { H2Session } from "./h2-session.ts";
import type { AnswerHead, Sent, Upstream, UpstreamUse } from "./upstream.ts";

const NONE: readonly string[] = [];
const NOTHING = new Uint8Array(0);

/** The head of an answer, as an exchange reads it. */
export class Answer implements AnswerHead {
  readonly status: number;
  readonly reason = "";
  readonly headers: HeaderList;
  readonly contentLength: number;
  readonly bodyless: boolean;
  readonly upgrade = null;
  #list: HeaderList | null = null;

  constructor({ status, headers, contentLength }: H2ResponseHead, ended: boolean) {
    this.status = status;
    this.headers = headers;
    this.contentLength = contentLength;
    this.bodyless = ended;
  }

  get fields(): AnswerHead["fields"] {
    this.#list ??= endToEnd(this.headers, NONE, "response");
    return { block: null, list: this.#list };
  }

  get eventStream(): boolean {
    for (let i = 0; i + 1 < this.headers.length; i += 2) {
      if (this.headers[i] === "content-type")
        return (this.headers[i + 1] as string).toLowerCase().startsWith("text/event-stream");
    }
    return false;
  }
}

export class H2Upstream implements Upstream, Deadlined {
  deadline = Number.POSITIVE_INFINITY;
  answered = false;
  use: UpstreamUse | null = null;
  /** The code the upstream reset the stream with; -1: it did not. */
  resetBy = -1;
  /** Our message is whole. */
  #said = true;
  readonly #session: H2Session;
  #id = 0;
  #promised = true;
  #held = false;
  #unconsumed = 0;

  /** Keeps a place on the connection until it begins, or is released. */
  constructor(session: H2Session) {
    this.#session = session;
    session.promise();
  }

  get address(): string {
    return this.#session.address;
  }

  begin(use: UpstreamUse, sent: Sent, firstByteMs: number): boolean {
    this.#redeem();
    if (!this.#session.open) return false;
    const { deadlines } = this.#session.env;
    this.use = use;
    this.deadline = deadlines.now + firstByteMs;
    this.#id = this.#session.begin(this, sent);
    if (this.#id === 0) this.use = null;
    else deadlines.add(this);
    this.#said = sent.streamed !== true;
    return this.#id !== 0;
  }

  /** More of a streamed request. False: enough waits to be sent; `uploaded` is told when it is less. */
  write(bytes: Uint8Array): boolean {
    const more = this.#session.engine.data(this.#id, bytes, false);
    this.#session.soon();
    return more;
  }

  /** A streamed request is whole. */
  finish(): void {
    this.#said = true;
    this.#session.engine.data(this.#id, NOTHING, true);
    this.#session.soon();
  }

  head(head: AnswerHead): void {
    this.answered = true;
    this.use?.head(head);
  }

  body(bytes: Uint8Array): void {
    this.#unconsumed += bytes.length;
    this.use?.body(bytes);
  }

  end(trailers: HeaderList | null): void {
    const { use } = this;
    use?.end(trailers);
    if (this.use === null) return;
    // Nobody will read the rest of the request.
    if (!this.#said) this.#session.engine.reset(this.#id, ErrorCode.NO_ERROR);
    this.#over();
    use?.completed(null);
  }

  turn(): void {
    this.use?.turn();
    if (!this.#held) this.#consume();
  }

  hold(): void {
    this.#held = true;
  }

  goOn(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#consume();
    this.#session.soon();
  }

  #consume(): void {
    const count = this.#unconsumed;
    this.#unconsumed = 0;
    if (count > 0) this.#session.engine.consumed(this.#id, count);
  }

  abandon(): void {
    if (this.use === null) return;
    this.#over();
    this.#session.engine.reset(this.#id, ErrorCode.CANCEL);
    this.#session.soon();
  }

  fail(code: FaultCode, detail: string, untouched: boolean): void {
    const { use } = this;
    if (use === null) return;
    this.#over();
    use.failed(code, detail, untouched);
  }

  expired(): void {
    const detail = this.answered ? "answer stalled" : "no answer in time";
    this.#session.engine.reset(this.#id, ErrorCode.CANCEL);
    this.#session.soon();
    this.fail("upstream_timeout", detail, false);
  }

  /** Others share the connection. */
  release(): void {
    this.#redeem();
  }

  #redeem(): void {
    if (this.#promised) this.#session.redeem();
    this.#promised = false;
  }

  /** A socket cannot be had of a stream. */
  detach(): Conn {
    throw new Fault("unsupported", "a stream of HTTP/2 cannot leave HTTP");
  }

  #over(): void {
    this.use = null;
    this.#consume();
    this.deadline = Number.POSITIVE_INFINITY;
    this.#session.env.deadlines.remove(this);
    this.#session.forget(this.#id);
  }
}
