/** Many requests of one client at once: everybody else has the turns between. */
import { afterEach, describe, expect } from "bun:test";
import { allow } from "../../src/model/decision.ts";
import { testUnless, tool } from "../_skip.ts";
import { Intercepted, roots } from "./_intercepted.ts";
import { until } from "./_rig.ts";

const REQUESTS = 90;
let made: Intercepted;

describe("a burst of requests over HTTP/2", () => {
  afterEach(() => made.stop());

  testUnless(tool("openssl"), "is decided a few at a time, in order, and all of it is answered", async () => {
    made = await Intercepted.start(roots(), (stream) => {
      stream.on("error", () => {});
      stream.respond({ ":status": 200 });
      stream.end("heard");
    });
    const session = await made.session();
    let turn = 0;
    let running = true;
    const count = (): void => {
      turn++;
      if (running) setImmediate(count);
    };
    setImmediate(count);
    const decided = new Map<number, number>();
    const paths: string[] = [];
    made.rig.decide = ({ phase, path }) => {
      if (phase === "request") {
        decided.set(turn, (decided.get(turn) ?? 0) + 1);
        paths.push(path);
      }
      return allow("test");
    };
    let answered = 0;
    for (let i = 0; i < REQUESTS; i++) {
      const stream = session.request({ ":path": `/${i}` });
      stream.on("response", (head) => {
        if (head[":status"] === 200) answered++;
      });
      stream.resume();
      stream.end();
    }
    await until(() => answered === REQUESTS, "all answers");
    running = false;
    expect(paths).toEqual(Array.from({ length: REQUESTS }, (_, i) => `/${i}`));
    expect(Math.max(...decided.values())).toBeLessThanOrEqual(40);
  });
});
