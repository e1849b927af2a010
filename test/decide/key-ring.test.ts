import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jwks, thumbprint } from "../../src/crypto/jwk.ts";
import { generateKey } from "../../src/crypto/keys.ts";
import { KeyRing } from "../../src/decide/key-ring.ts";
import { Fault } from "../../src/errors.ts";
import { runtime } from "../../src/runtime/bun.ts";
import type { HttpReply } from "../../src/runtime/contract.ts";

async function published() {
  const { publicJwk } = await generateKey("Ed25519");
  return { kid: thumbprint(publicJwk, runtime), text: JSON.stringify(jwks([publicJwk], runtime)) };
}

/** A ring whose publisher answers as told, and whose clock stands until it is put forward. */
function ring(answers: () => HttpReply | Promise<HttpReply>) {
  const clock = { ms: 0 };
  const asked = { times: 0 };
  const client = {
    send: async () => {
      asked.times++;
      return answers();
    },
  };
  const keys = new KeyRing({ ...runtime, monotonic: () => clock.ms }, "https://plane.test/jwks.json", client);
  return { keys, clock, asked };
}

const reply = (text: string, status = 200): HttpReply => ({
  status,
  headers: {},
  body: new TextEncoder().encode(text),
});

test("names nobody knows are asked about once, and not again for a while", async () => {
  const one = await published();
  const { keys, clock, asked } = ring(() => reply(one.text));
  expect(await keys.find("made-up")).toBeNull();
  for (let i = 0; i < 50; i++) expect(await keys.find(`made-up-${i}`)).toBeNull();
  expect(asked.times).toBe(1);
  clock.ms = 6_000;
  expect(await keys.find("made-up")).toBeNull();
  expect(asked.times).toBe(2);
});

test("many that wait for one fetch make one", async () => {
  const one = await published();
  const { keys, asked } = ring(() => reply(one.text));
  const found = await Promise.all(Array.from({ length: 20 }, () => keys.find(one.kid)));
  expect(found.every((key) => key?.kid === one.kid)).toBe(true);
  expect(asked.times).toBe(1);
});

test("a key that is new is found, one that was withdrawn is gone", async () => {
  const [first, second] = [await published(), await published()];
  let text = first.text;
  const { keys, clock } = ring(() => reply(text));
  expect(await keys.find(first.kid)).not.toBeNull();
  text = second.text;
  clock.ms = 6_000;
  expect(await keys.find(second.kid)).not.toBeNull();
  expect(await keys.find(first.kid)).toBeNull();
});

test("an outage, garbage or an error keeps the last good keys, and says so", async () => {
  const one = await published();
  const bad: (() => HttpReply)[] = [
    () => {
      throw new Fault("dial_failed", "down");
    },
    () => reply("{"),
    () => reply('{"keys":[]}'),
    () => reply(one.text, 500),
  ];
  for (const broken of bad) {
    let good = true;
    const { keys, clock } = ring(() => (good ? reply(one.text) : broken()));
    expect(await keys.find(one.kid)).not.toBeNull();
    good = false;
    clock.ms = 6_000;
    expect(await keys.find("other")).toBeNull();
    expect(keys.problem).not.toBeNull();
    expect(await keys.find(one.kid)).not.toBeNull();
  }
});

test("a file is read, and read again for a new name", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-ring-"));
  const [first, second] = [await published(), await published()];
  const path = join(folder, "jwks.json");
  const clock = { ms: 0 };
  const client = { send: () => Promise.reject(new Error("not asked")) };
  const keys = new KeyRing({ ...runtime, monotonic: () => clock.ms }, path, client);
  expect(await keys.find(first.kid)).toBeNull();
  writeFileSync(path, first.text);
  clock.ms = 6_000;
  expect(await keys.find(first.kid)).not.toBeNull();
  writeFileSync(path, second.text);
  clock.ms = 12_000;
  expect(await keys.find(second.kid)).not.toBeNull();
  rmSync(folder, { recursive: true });
});
