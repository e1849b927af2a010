/** One exchange with an upstream that speaks HTTP/2. */
import { Fault, type FaultCode } from "../errors.ts";
import type { Conn } from "../model/conn.ts";
import type { Deadlined } from "../model/deadlines.ts";
import type { HeaderList } from "../model/headers.ts";
import { ErrorCode, type H2ResponseHead } from "../wire/h2.ts";
import { endToEnd } from "../wire/http1.ts";
import type { H2Session } from "./h2-session.ts";
import type { Standing, Unread } from "./unread.ts";
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

export class H2Upstream implements Upstream, Deadlined, Standing {
  deadline = Number.POSITIVE_INFINITY;
  readonly protocol = "h2";
  answered = false;
  use: UpstreamUse | null = null;
  /** The code the upstream reset the stream with; -1: it did not. */
  resetBy = -1;
  /** Of the body, when the stream was reset. */
  #unsent = 0;
  readonly #session: H2Session;
  #id = 0;
  #promised = true;
  #held = false;
  /** Come, and its window not opened again. Counted in `Unread`. */
  unconsumed = 0;
  client = "";
  /** The answer was whole while it was held: its end is told when what came before it has been taken. */
  #ended: { readonly trailers: HeaderList | null } | null = null;

  /** Keeps a place on the connection until it begins, or is released. */
  constructor(session: H2Session) {
    this.#session = session;
    session.promise();
  }

  get whole(): boolean {
    return this.#ended !== null;
  }

  get unsent(): number {
    return this.#unsent + this.#session.engine.queuedOf(this.#id);
  }

  get address(): string {
    return this.#session.address;
  }

  begin(use: UpstreamUse, sent: Sent, firstByteMs: number): boolean {
    this.#redeem();
    if (!this.#session.open) {
      this.#session.spared();
      return false;
    }
    const { deadlines } = this.#session.env;
    this.use = use;
    this.client = sent.egress.principal.address;
    this.deadline = deadlines.now + firstByteMs;
    this.#id = this.#session.begin(this, sent);
    if (this.#id === 0) {
      this.use = null;
      this.#session.spared();
    } else deadlines.add(this);
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
    this.#session.engine.data(this.#id, NOTHING, true);
    this.#session.soon();
  }

  head(head: AnswerHead): void {
    this.answered = true;
    this.use?.head(head);
  }

  body(bytes: Uint8Array): void {
    this.unconsumed += bytes.length;
    this.#unread.take(this, bytes.length);
    this.use?.body(bytes);
  }

  /** Else whoever asks for many short answers and reads none would have them all kept, and counted by nobody. */
  end(trailers: HeaderList | null): void {
    if (!this.#held) {
      this.#conclude(trailers);
      return;
    }
    this.#ended = { trailers };
    // How the connection fares is nothing to it any more.
    this.#session.forget(this.#id);
  }

  #conclude(trailers: HeaderList | null): void {
    const { use } = this;
    use?.end(trailers);
    if (this.use === null) return;
    // Nobody will read the rest of the request (RFC 9113 section 8.1). It would wait for windows that may never open.
    if (this.#session.engine.speaking(this.#id)) {
      this.#reset(ErrorCode.NO_ERROR);
      this.#session.soon();
    }
    this.#over();
    use?.completed(null);
  }

  turn(): void {
    this.use?.turn();
    if (!this.#held) this.#consume();
  }

  hold(): void {
    if (this.#held || this.use === null) return;
    this.#held = true;
    this.#unread.stand(this);
  }

  goOn(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#unread.leave(this);
    this.#consume();
    this.#session.soon();
    // Whoever lets go of it is in the middle of something.
    if (this.#ended !== null) this.#session.afterTurn(this.#later);
  }

  readonly #later = (): void => {
    const ended = this.#ended;
    if (this.#held || ended === null || this.use === null) return;
    this.#ended = null;
    this.#conclude(ended.trailers);
  };

  get #unread(): Unread {
    return this.#session.env.pool.unread;
  }

  #consume(): void {
    const count = this.unconsumed;
    if (count === 0) return;
    this.unconsumed = 0;
    this.#unread.give(this, count);
    this.#session.engine.consumed(this.#id, count);
  }

  abandon(): void {
    if (this.use === null) return;
    this.#over();
    this.#reset(ErrorCode.CANCEL);
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
    this.#reset(ErrorCode.CANCEL);
    this.#session.soon();
    this.fail("upstream_timeout", detail, false);
  }

  tooSlow(): void {
    this.#reset(ErrorCode.CANCEL);
    this.#session.soon();
    this.fail("client_stalled", "the answer is not taken, and there is no room to keep it", false);
  }

  /** Others share the connection. */
  release(): void {
    this.#redeem();
    this.#session.spared();
  }

  #redeem(): void {
    if (this.#promised) this.#session.redeem();
    this.#promised = false;
  }

  /** A socket cannot be had of a stream. */
  detach(): Conn {
    throw new Fault("unsupported", "a stream of HTTP/2 cannot leave HTTP");
  }

  #reset(code: number): void {
    this.#unsent += this.#session.engine.queuedOf(this.#id);
    this.#session.engine.reset(this.#id, code);
  }

  #over(): void {
    this.use = null;
    this.#held = false;
    this.#unread.leave(this);
    this.#consume();
    this.deadline = Number.POSITIVE_INFINITY;
    this.#session.env.deadlines.remove(this);
    this.#session.forget(this.#id);
  }
}
