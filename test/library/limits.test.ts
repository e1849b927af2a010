import { expect, test } from "bun:test";
import { governedFetch } from "../../src/mod.ts";

test("governedFetch refuses a policy whose limits it would not keep", async () => {
  const policy = "version: 1\ndefault: allow\nlimits: [{id: x, concurrency: 1}]\n";
  const signer = { key: "a key of more than thirty-two bytes for this" };
  const made = async (): Promise<unknown> => governedFetch({ caller: "test", policy, signer } as never);
  await expect(made()).rejects.toMatchObject({ code: "unsupported" });
});
