import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../e2e/_gateway.ts";
import { RawClient } from "../e2e/_raw.ts";
import { clientHello } from "../enforce/_hello.ts";
import { startInProcess } from "./_in-process.ts";

const denying = (host: string) => `version: 1\ndefault: allow\nhosts:\n  deny: [${host}]\n`;

test("a tunnel that waited for its name while the policy was replaced does not outlive it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-revoke-"));
  const policy = join(folder, "policy.yaml");
  writeFileSync(policy, denying("nothing.test"));
  const upstream = net.createServer((socket) => socket.on("error", () => {}));
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.9", resolve));
  const { port } = upstream.address() as AddressInfo;
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
  let asked = false;
  const inside = await startInProcess(
    { EVE_PROXY_POLICY: policy },
    {
      async resolve() {
        asked = true;
        await answered;
        return [{ address: "127.0.0.9", family: 4 }];
      },
    },
  );
  try {
    const client = await RawClient.open(inside.port);
    client.send(`CONNECT far.test:${port} HTTP/1.1\r\nHost: far.test:${port}\r\n\r\n`);
    await until(() => asked, "asked for the name");
    writeFileSync(policy, denying("far.test"));
    expect(await inside.gateway.reload()).toMatchObject({ ok: true });
    answer();
    client.send(clientHello({ sni: "far.test" }));
    expect(await client.ended()).toBe("reset");
  } finally {
    await inside.stop();
    upstream.close();
    rmSync(folder, { recursive: true });
  }
});
