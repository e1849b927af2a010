import { afterAll, expect, test } from "bun:test";
import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { emptyDirectory, sallyport } from "./_program.ts";

const directory = await emptyDirectory();
afterAll(() => rm(directory, { recursive: true }));

const at = (name: string) => join(directory, name);

test("keys generate overwrites nothing, neither key nor public key", async () => {
  await writeFile(at("mine"), "mine");
  await writeFile(at("other.pub"), "other's");
  for (const name of ["mine", "other"]) {
    const { code, stdout, stderr } = await sallyport(directory, ["keys", "generate", name]);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("a key is never overwritten");
  }
  expect(await readFile(at("mine"), "utf8")).toBe("mine");
  expect(await readFile(at("other.pub"), "utf8")).toBe("other's");
  expect(await Bun.file(at("other")).exists()).toBe(false);
});

test("keys generate refuses a type it does not know", async () => {
  const { code, stderr } = await sallyport(directory, ["keys", "generate", "--type", "rsa", "k"]);
  expect(code).toBe(64);
  expect(stderr).toContain("--type is ed25519, p256 or hmac");
});

test("keys generate fails where it cannot write", async () => {
  expect((await sallyport(directory, ["keys", "generate", "no/such/place"])).code).toBe(1);
});

test("keys jwks refuses a secret, and quotes no key it cannot read", async () => {
  await writeFile(at("secret"), "hunter2hunter2hunter2");
  await writeFile(at("broken.jwk"), '{"kty":"OKP","d":"hunter2"');
  for (const name of ["secret", "broken.jwk", "absent"]) {
    const { code, stdout, stderr } = await sallyport(directory, ["keys", "jwks", name]);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain(`cannot use "${name}"`);
    expect(stderr).not.toContain("hunter2");
  }
});

test("keys jwks says how what is no key was read", async () => {
  await writeFile(at("policy.yaml"), "version: 1\ndefault: deny\n");
  const { code, stderr } = await sallyport(directory, ["keys", "jwks", "policy.yaml"]);
  expect(code).toBe(1);
  expect(stderr).toContain('"policy.yaml": it is no PEM and no JWK, so it was read as a raw secret');
});

test.each(["ed25519", "p256"])(
  "keys generate makes an %s key 0600 that jwks publishes without its private part",
  async (type) => {
    const made = await sallyport(directory, ["keys", "generate", "--type", type, type]);
    expect(made.code).toBe(0);
    expect((await stat(at(type))).mode & 0o777).toBe(0o600);
    const both = await sallyport(directory, ["keys", "jwks", type, `${type}.pub`]);
    const { keys } = JSON.parse(both.stdout);
    expect(keys).toHaveLength(1);
    expect(keys[0].d).toBeUndefined();
    expect(made.stdout).toContain(keys[0].kid);
    await writeFile(at(`${type}.jwks`), both.stdout);
    expect((await sallyport(directory, ["keys", "jwks", `${type}.jwks`])).stdout).toBe(both.stdout);
  },
);

test("keys generate makes an hmac secret that run accepts without a warning", async () => {
  expect((await sallyport(directory, ["keys", "generate", "--type=hmac", "h"])).code).toBe(0);
  const { stdout } = await sallyport(directory, ["doctor", "--json"], {
    JWT_SECRET_KEY_FILE: at("h"),
    EVE_PROXY_PORT: "0",
  });
  const about = (name: string) =>
    JSON.parse(stdout)
      .findings.filter((finding: { about: string }) => finding.about === name)
      .map((finding: { state: string }) => finding.state);
  expect(about("configuration")).toEqual(["ok"]);
  expect(about("signing key")).toEqual(["ok"]);
});
